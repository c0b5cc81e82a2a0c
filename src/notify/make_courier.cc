#include "notify/make_courier.h"

#include "notify/file_carrier.h"
#include "notify/kafka_carrier.h"
#include "notify/mail_carrier.h"
#include "notify/postgres_carrier.h"
#include "notify/slack_carrier.h"
#include "notify/standard_webhook.h"
#include "notify/webhook_carrier.h"
#include "postgres/connection.h"

namespace tidemark::notify {
namespace {

AddressGuard guard_of(const config::AllowedPrivate& allowed) {
  return {allowed.all, allowed.networks};
}

// Fills in kind, where and the carriers for each kind of destination.
class Maker {
 public:
  Maker(const config::Destination& destination, Outbox& outbox, const std::atomic<bool>& stop,
        MadeCourier& made)
      : destination_(destination), outbox_(outbox), stop_(stop), made_(made) {}

  Status operator()(const config::WebhookDestination& to) {
    WebhookOptions options{.destination = destination_.name,
                           .url = to.url,
                           .headers = to.headers,
                           .guard = guard_of(to.allow_private),
                           .timeout = std::chrono::seconds(to.timeout_seconds),
                           .batches = destination_.batches};
    for (const auto& secret : to.secrets)
      options.keys.push_back(TRY_IN(webhook_key(secret.reveal()), "destination " + destination_.name));
    return set("webhook", to.shown, [options, this_stop = &stop_] {
      return std::make_unique<WebhookCarrier>(options, *this_stop);
    });
  }
  Status operator()(const config::SlackDestination& to) {
    SlackOptions options{.url = to.url, .text = to.text, .guard = guard_of(to.allow_private)};
    return set("slack", to.shown,
               [options, this_stop = &stop_] { return std::make_unique<SlackCarrier>(options, *this_stop); });
  }
  Status operator()(const config::KafkaDestination& to) {
    kafka::ProducerOptions options{.brokers = to.brokers, .settings = to.settings};
    return set("kafka", to.brokers + "/" + to.topic,
               [options, topic = to.topic, name = destination_.name, this_stop = &stop_] {
                 return std::make_unique<KafkaCarrier>(name, options, topic, *this_stop);
               });
  }
  Status operator()(const config::PostgresDestination& to) {
    PostgresOptions options{.destination = destination_.name, .url = to.url, .table = to.table};
    return set("postgres", postgres::display_url(to.url.reveal()) + " " + to.table,
               [options] { return std::make_unique<PostgresCarrier>(options); });
  }
  Status operator()(const config::FileDestination& to) {
    return set("file", to.path.string(), [name = destination_.name, path = to.path] {
      return std::make_unique<FileCarrier>(name, path);
    });
  }
  Status operator()(const config::MailDestination& to) {
    MailOptions options{.destination = destination_.name,
                        .url = to.url,
                        .starttls = to.starttls,
                        .user = to.user,
                        .password = to.password,
                        .from = to.from,
                        .to = to.to,
                        .subject = to.subject,
                        .text = to.text};
    return set("smtp", to.url,
               [options, this_stop = &stop_] { return std::make_unique<MailCarrier>(options, *this_stop); });
  }
  Status operator()(const config::FeedDestination&) {
    made_.feed = std::make_shared<Feed>(destination_.name, outbox_);
    return set("sse", "/api/feeds/" + destination_.name,
               [feed = made_.feed] { return std::make_unique<FeedCarrier>(feed); });
  }

 private:
  Status set(const char* kind, std::string where, MakeCarrier make) {
    made_.options.kind = kind;
    made_.options.where = std::move(where);
    made_.options.make_carrier = std::move(make);
    return {};
  }

  const config::Destination& destination_;
  Outbox& outbox_;
  const std::atomic<bool>& stop_;
  MadeCourier& made_;
};

}  // namespace

Result<MadeCourier> make_courier(const config::Destination& destination, Outbox& outbox,
                                 const std::atomic<bool>& stop) {
  MadeCourier made;
  made.options.destination = destination.name;
  made.options.concurrency = destination.concurrency;
  made.options.parcel_size = destination.batch;
  made.options.parcel_wait_us = destination.batch_wait_seconds * 1'000'000;
  TRY_VOID(std::visit(Maker(destination, outbox, stop, made), destination.to));
  return made;
}

}  // namespace tidemark::notify
