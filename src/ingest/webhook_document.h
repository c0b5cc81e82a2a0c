// What other systems send, as rows of the source's table (event_record.h): a delivery is an event whose name
// is its topic and whose properties are its body, byte for byte. docs/WEBHOOKS.md says what is in which
// column.
//
// `message_id` is what a delivery is known by, so one that is sent again changes nothing:
//   Shopify    X-Shopify-Event-Id with shop, topic and body, which are the same when several subscriptions
//              (X-Shopify-Webhook-Id) bring one event; without it X-Shopify-Webhook-Id, which stays when a
//              delivery is sent again
//   Klaviyo    external_id and topic of each of the items
//   standard   webhook-id
//   GA4        nothing: a hash of stream, client, name, time and parameters; without a time of its own each
//              event is one of its own
//
// Nothing is guessed: what is no JSON object, or lacks what makes it a row, is refused with a reason and goes
// to quarantine. No I/O. Threads: one a reader, used again and again.
#pragma once

#include "ingest/tracking_document.h"
#include "ingest/webhook_signature.h"

namespace tidemark::ingest {

class WebhookReader {
 public:
  WebhookReader();
  ~WebhookReader();
  WebhookReader(const WebhookReader&) = delete;
  WebhookReader& operator=(const WebhookReader&) = delete;

  // All rows of the request into `out`; what was refused, too, and is told in `reasons`. `place`: differs
  // from request to request.
  void read(config::WebhookSender from, const http::Request& request, int64_t received_at, uint64_t place,
            EventRecordWriter& out, std::vector<ItemReason>& reasons);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::ingest
