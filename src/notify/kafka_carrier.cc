#include "notify/kafka_carrier.h"

namespace tidemark::notify {

KafkaCarrier::KafkaCarrier(std::string destination, kafka::ProducerOptions options, std::string topic,
                           const std::atomic<bool>& stop)
    : destination_(std::move(destination)),
      options_(std::move(options)),
      topic_(std::move(topic)),
      stop_(stop) {}

Status KafkaCarrier::send(const std::vector<Notification>& notifications,
                          const std::vector<std::string>& values) {
  if (!producer_) producer_.emplace(TRY(kafka::Producer::open(options_, stop_)));
  for (size_t index = 0; index < notifications.size(); ++index) {
    const Notification& notification = notifications[index];
    std::string id = message_id(destination_, notification);
    TRY_VOID(producer_->send({.topic = topic_,
                              .key = notification.entity,
                              .value = values[index],
                              .headers = {{"id", id}, {"type", notification.kind}}}));
  }
  return producer_->flush();
}

Outcome KafkaCarrier::carry(const std::vector<Notification>& notifications) {
  std::vector<std::string> values;
  for (const auto& notification : notifications) {
    auto value = payload(notification);
    if (!value) return {.result = Outcome::Result::refused, .answer = value.error().message};
    values.push_back(std::move(*value));
  }
  Status sent = send(notifications, values);
  if (sent) return {};
  // What is queued in it would come out of order.
  producer_.reset();
  const Error& error = sent.error();
  // Too large for the brokers: this notification's own fault.
  auto result = error.kind == ErrorKind::limit ? Outcome::Result::refused : Outcome::Result::away;
  return {.result = result, .answer = Redaction().excerpt(error.message)};
}

}  // namespace tidemark::notify
