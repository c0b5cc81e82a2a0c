#include "config/kafka_output_reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace tidemark::config {
namespace {

constexpr int64_t partitions_max = 10'000;  // of one topic: more than that is a slip
constexpr int64_t replication_max = 100;
constexpr size_t prefix_bytes_max = 100;  // a topic's name has at most 249 bytes, and holds two more names

// Settings that would undo what exactly-once rests on.
const std::set<std::string> own_settings_of_outputs = {"bootstrap.servers",  "transactional.id",
                                                       "enable.idempotence", "transaction.timeout.ms",
                                                       "partitioner",        "acks"};

bool is_topic_name(const std::string& name) {
  return !name.empty() && name.size() <= prefix_bytes_max &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-' || c == '.';
         });
}

}  // namespace

KafkaOutput read_kafka_output(Reader reader, const YamlNode& node, const std::string& project) {
  MappingReader mapping(reader, node, "`kafka`");
  KafkaOutput output;
  output.where = node.where;
  output.brokers = mapping.required_text("brokers");
  output.prefix = mapping.text("prefix", project);
  if (!is_topic_name(output.prefix))
    mapping.error("prefix", fmt::format("`{}` cannot begin the name of a topic", output.prefix),
                  fmt::format("Use letters, digits, . _ and -, at most {} of them.", prefix_bytes_max));
  output.schema = mapping.boolean("schema");
  output.partitions = static_cast<int>(mapping.integer("partitions", 1, partitions_max).value_or(-1));
  output.replication = static_cast<int>(mapping.integer("replication", 1, replication_max).value_or(-1));
  if (const YamlNode* settings = mapping.child("settings"))
    for (const auto& pair : settings->pairs) {
      if (own_settings_of_outputs.contains(pair.key))
        reader.report.error(pair.key_where, fmt::format("`{}` is not for a project to set", pair.key),
                            "Leave it out.");
      else if (auto text = mapping.item_text(pair.value, pair.key))
        output.settings[pair.key] = Secret(*text);
    }
  mapping.finish();
  return output;
}

Result<std::optional<KafkaOutput>> load_kafka_output(const std::filesystem::path& directory) {
  Report report(directory);
  Environment environment(false);
  Reader reader{report, environment};
  std::optional<KafkaOutput> output;
  if (auto text = report.read("tidemark.yaml"))
    if (auto node = parse_yaml(report, "tidemark.yaml", *text))
      if (const YamlNode* kafka = node->find("kafka")) {
        MappingReader settings(reader, *node, "a project");
        output = read_kafka_output(reader, *kafka, settings.text("project"));
      }
  auto errors = report.take_errors();
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return output;
}

}  // namespace tidemark::config
