// Notifications as messages of a Kafka topic: the key is the entity, so that its notifications stay in order;
// the value {"type", "timestamp", "data"}; headers id and type. Idempotent producer; a parcel counts when the
// brokers have all of it.
#pragma once

#include "kafka/producer.h"
#include "notify/carrier.h"

#include <atomic>
#include <optional>

namespace tidemark::notify {

class KafkaCarrier : public Carrier {
 public:
  KafkaCarrier(std::string destination, kafka::ProducerOptions options, std::string topic,
               const std::atomic<bool>& stop);
  Outcome carry(const std::vector<Notification>& notifications) override;

 private:
  Status send(const std::vector<Notification>& notifications, const std::vector<std::string>& values);

  std::string destination_;
  kafka::ProducerOptions options_;
  std::string topic_;
  const std::atomic<bool>& stop_;
  std::optional<kafka::Producer> producer_;
};

}  // namespace tidemark::notify
