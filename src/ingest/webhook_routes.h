// The addresses that other systems call: POST /webhooks/<source>, and the Measurement Protocol's /mp/collect.
// A body counts when its signature does (webhook_signature.h), and is answered 2xx when it is on disk, never
// before and never after anything else: senders give a few seconds, and come again until they hear it.
// docs/WEBHOOKS.md is the reference.
//
// Threads: handlers run on the server's workers; answers come from the spools' writers.
#pragma once

#include "ingest/event_door.h"
#include "ingest/webhook_document.h"

#include <vector>

namespace tidemark::ingest {

struct WebhookDoor {
  config::WebhookSource source;
  std::shared_ptr<EventDoor> door;
};

// Before the server starts; the doors must be closed before the server goes.
void add_webhook_routes(http::Server& server, const std::vector<WebhookDoor>& doors);

}  // namespace tidemark::ingest
