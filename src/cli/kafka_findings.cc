#include "cli/kafka_findings.h"

#include "ingest/kafka_tables.h"

namespace tidemark::cli {

using postgres::Finding;

namespace {

Finding failed(const std::string& check, const Error& error) {
  return {.level = Finding::Level::fail,
          .check = check,
          .detail = error.message,
          .remedy = error.remedy,
          .kind = error.kind};
}

}  // namespace

std::vector<Finding> look_at_kafka(const config::KafkaSource& source) {
  std::string check = "source " + source.name;
  auto consumer = kafka::Consumer::open(ingest::consumer_options(source));
  if (!consumer) return {failed(check, consumer.error())};
  auto cluster = consumer->cluster();
  if (!cluster) return {failed(check, cluster.error())};
  std::vector<Finding> findings{
      {.check = check, .detail = fmt::format("connected to Kafka cluster {}", *cluster)}};
  auto topics = ingest::find_topics(source, *consumer);
  if (!topics) {
    findings.push_back(failed(check, topics.error()));
    return findings;
  }
  if (topics->empty())
    findings.push_back({.level = Finding::Level::fail,
                        .check = check,
                        .detail = "no topic matches `pattern`",
                        .remedy = "kcat -L lists topics; a topic is there after its first message",
                        .kind = ErrorKind::config});
  for (const auto& topic : *topics) {
    auto marks = consumer->watermarks(topic.topic, 0);
    if (!marks) {
      findings.push_back(failed(check, marks.error()));
      continue;
    }
    findings.push_back(
        {.check = check,
         .detail = fmt::format("topic {}: {} partitions, table bronze.{}", topic.topic, topic.partitions,
                               ingest::default_table_name(source, topic.topic))});
  }
  return findings;
}

}  // namespace tidemark::cli
