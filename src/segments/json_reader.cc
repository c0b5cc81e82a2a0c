// JSON of the API and of `cdp.criteria` as the tree that the YAML readers read.
#include "segments/definition_reader.h"
#include "segments/segment_limits.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::segments {
namespace {

using config::YamlNode;

std::string pointer_step(std::string_view key) {
  std::string step = "/";
  for (char character : key) {
    if (character == '~')
      step += "~0";
    else if (character == '/')
      step += "~1";
    else
      step.push_back(character);
  }
  return step;
}

class Converter {
 public:
  explicit Converter(config::Report& report) : report_(report) {}

  YamlNode convert(const boost::json::value& value, const std::string& pointer) {
    YamlNode node;
    node.where = {pointer};
    switch (value.kind()) {
      case boost::json::kind::null:
        break;
      case boost::json::kind::string:
        scalar(node, std::string(value.get_string()), true);
        break;
      case boost::json::kind::bool_:
        scalar(node, value.get_bool() ? "true" : "false", false);
        break;
      case boost::json::kind::int64:
      case boost::json::kind::uint64:
      case boost::json::kind::double_:
        scalar(node, number(value), false);
        break;
      case boost::json::kind::array:
        node.kind = YamlNode::Kind::sequence;
        for (size_t index = 0; index < value.get_array().size(); ++index)
          node.items.push_back(convert(value.get_array()[index], fmt::format("{}/{}", pointer, index)));
        break;
      case boost::json::kind::object:
        node.kind = YamlNode::Kind::mapping;
        for (const auto& pair : value.get_object()) {
          std::string place = pointer + pointer_step(std::string(pair.key()));
          refuse_environment(pair.key(), place);
          node.pairs.push_back({std::string(pair.key()), {place}, convert(pair.value(), place)});
        }
        break;
    }
    return node;
  }

 private:
  static std::string number(const boost::json::value& value) {
    if (value.is_int64()) return std::to_string(value.get_int64());
    if (value.is_uint64()) return std::to_string(value.get_uint64());
    return fmt::format("{}", value.get_double());
  }

  void scalar(YamlNode& node, std::string text, bool quoted) {
    refuse_environment(text, node.where.file.string());
    node.kind = YamlNode::Kind::scalar;
    node.text = std::move(text);
    node.quoted = quoted;
  }

  void refuse_environment(std::string_view text, const std::string& place) {
    if (text.find("${") != std::string_view::npos)
      report_.error({place}, "`${` is not filled in here", "Write the value itself.");
  }

  config::Report& report_;
};

}  // namespace

std::optional<YamlNode> parse_json(config::Report& report, std::string_view text) {
  if (text.size() > limits::definition_bytes_max) {
    report.error({"#"}, fmt::format("a definition of {} bytes; at most {}", text.size(),
                                    limits::definition_bytes_max));
    return std::nullopt;
  }
  boost::json::error_code failure;
  boost::json::stream_parser parser({}, {.max_depth = 64});
  size_t taken = parser.write_some(text.data(), text.size(), failure);
  if (!failure && taken == text.size()) parser.finish(failure);
  if (failure || taken != text.size()) {
    report.error({"#"}, fmt::format("not valid JSON at byte {}: {}", taken + 1,
                                    failure ? failure.message() : "text after the end of the value"));
    return std::nullopt;
  }
  size_t errors = report.error_count();
  YamlNode node = Converter(report).convert(parser.release(), "#");
  if (report.error_count() != errors) return std::nullopt;
  return node;
}

}  // namespace tidemark::segments
