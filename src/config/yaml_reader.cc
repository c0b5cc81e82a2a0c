#include "config/yaml_reader.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>

namespace tidemark::config {
namespace {

std::string quoted_words(const std::vector<std::string>& words) {
  return fmt::format("`{}`", fmt::join(words, "`, `"));
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  if (text.starts_with('+')) text.remove_prefix(1);
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  int64_t factor;
};

template <size_t count>
std::optional<int64_t> parse_with_unit(std::string_view text, const Unit (&units)[count]) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  auto value = parse_number<int64_t>(text.substr(0, digits));
  if (digits == 0 || !value) return std::nullopt;
  std::string_view unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : units)
    if (unit == known.name) {
      if (*value > std::numeric_limits<int64_t>::max() / known.factor) return std::nullopt;
      return *value * known.factor;
    }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> parse_duration_seconds(std::string_view text) {
  static constexpr Unit units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}};
  return parse_with_unit(text, units);
}

std::optional<int64_t> parse_size_bytes(std::string_view text) {
  static constexpr Unit units[] = {
      {"", 1},          {"B", 1},         {"KB", 1000},    {"MB", 1000 * 1000}, {"GB", 1000 * 1000 * 1000},
      {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  return parse_with_unit(text, units);
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  std::string_view host = "127.0.0.1";
  std::string_view port = text;
  if (size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    // an IPv6 address without brackets cannot be told from its port
    if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return std::nullopt;
    if (host.find_first_of(" \t/@[]") != std::string_view::npos) return std::nullopt;
  }
  auto number = parse_number<uint16_t>(port);
  if (!number || port.starts_with('+')) return std::nullopt;
  return ListenAddress{std::string(host), *number};
}

MappingReader::MappingReader(Reader reader, const YamlNode& node, std::string what)
    : reader_(reader), node_(node), what_(std::move(what)) {
  if (node_.kind != YamlNode::Kind::mapping)
    reader_.report.error(node_.where, fmt::format("{} must be a mapping of keys to values, and this is {}",
                                                  what_, node_.describe()));
}

const YamlNode* MappingReader::find(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return node_.find(key);
}

bool MappingReader::has(const std::string& key) {
  return find(key) != nullptr;
}

Location MappingReader::where(const std::string& key) const {
  const YamlNode* value = node_.find(key);
  return value == nullptr ? node_.where : value->where;
}

const YamlNode* MappingReader::child(const std::string& key) {
  return find(key);
}

const YamlNode* MappingReader::required_child(const std::string& key) {
  const YamlNode* value = find(key);
  if (value == nullptr && node_.kind == YamlNode::Kind::mapping)
    reader_.report.error(node_.where, fmt::format("{} needs the key `{}`", what_, key));
  return value;
}

void MappingReader::wrong_type(const std::string& key, const YamlNode& value, const char* expected) {
  if (value.kind == YamlNode::Kind::null)
    reader_.report.error(value.where, fmt::format("`{}` has no value; {} is expected", key, expected),
                         "Leave the key out to get its default.");
  else if (value.kind == YamlNode::Kind::scalar)
    reader_.report.error(value.where, fmt::format("`{}` must be {}", key, expected));
  else
    reader_.report.error(value.where,
                         fmt::format("`{}` must be {}, and this is {}", key, expected, value.describe()));
}

std::optional<std::string> MappingReader::scalar(const std::string& key, const char* expected) {
  const YamlNode* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind != YamlNode::Kind::scalar) {
    wrong_type(key, *value, expected);
    return std::nullopt;
  }
  return reader_.environment.substitute(reader_.report, value->where, value->text);
}

// What stands in the file: messages never show what a variable was replaced by.
const std::string& MappingReader::written(const std::string& key) const {
  static const std::string none;
  const YamlNode* value = node_.find(key);
  return value == nullptr ? none : value->text;
}

std::string MappingReader::text(const std::string& key, std::string otherwise) {
  auto value = optional_text(key);
  return value ? *value : std::move(otherwise);
}

std::string MappingReader::required_text(const std::string& key) {
  if (required_child(key) == nullptr) return {};
  return text(key);
}

std::optional<std::string> MappingReader::optional_text(const std::string& key) {
  auto value = scalar(key, "text");
  if (value && value->empty()) {
    error(key, fmt::format("`{}` is empty", key));
    return std::nullopt;
  }
  return value;
}

bool MappingReader::boolean(const std::string& key, bool otherwise) {
  auto value = scalar(key, "true or false");
  if (!value) return otherwise;
  if (*value == "true") return true;
  if (*value == "false") return false;
  error(key, fmt::format("`{}` must be true or false, not `{}`", key, written(key)));
  return otherwise;
}

std::optional<int64_t> MappingReader::integer(const std::string& key, int64_t minimum, int64_t maximum) {
  auto value = scalar(key, "a whole number");
  if (!value) return std::nullopt;
  auto parsed = parse_number<int64_t>(*value);
  if (!parsed) {
    error(key, fmt::format("`{}` must be a whole number, not `{}`", key, written(key)));
    return std::nullopt;
  }
  if (*parsed < minimum || *parsed > maximum) {
    error(key, fmt::format("`{}` must be between {} and {}, not {}", key, minimum, maximum, written(key)));
    return std::nullopt;
  }
  return parsed;
}

std::optional<double> MappingReader::number(const std::string& key, double minimum, double maximum) {
  auto value = scalar(key, "a number");
  if (!value) return std::nullopt;
  auto parsed = parse_number<double>(*value);
  if (!parsed || !std::isfinite(*parsed)) {
    error(key, fmt::format("`{}` must be a number, not `{}`", key, written(key)));
    return std::nullopt;
  }
  if (*parsed < minimum || *parsed > maximum) {
    error(key, fmt::format("`{}` must be between {} and {}, not {}", key, minimum, maximum, written(key)));
    return std::nullopt;
  }
  return parsed;
}

std::optional<int64_t> MappingReader::duration_seconds(const std::string& key) {
  auto value = scalar(key, "a duration");
  if (!value) return std::nullopt;
  auto parsed = parse_duration_seconds(*value);
  if (!parsed)
    error(key, fmt::format("`{}` must be a duration, not `{}`", key, written(key)),
          "Write a whole number and one of s, m, h, d, w: 30s, 5m, 24h, 7d.");
  return parsed;
}

std::optional<int64_t> MappingReader::size_bytes(const std::string& key) {
  auto value = scalar(key, "a size");
  if (!value) return std::nullopt;
  auto parsed = parse_size_bytes(*value);
  if (!parsed)
    error(key, fmt::format("`{}` must be a size, not `{}`", key, written(key)),
          "Write a whole number of bytes, or with KB, MB, GB, KiB, MiB, GiB: 512 MiB.");
  return parsed;
}

std::optional<ListenAddress> MappingReader::listen(const std::string& key) {
  auto value = scalar(key, "an address to listen on");
  if (!value) return std::nullopt;
  auto parsed = parse_listen(*value);
  if (!parsed)
    error(key, fmt::format("`{}` must be host:port, not `{}`", key, written(key)),
          "For example 127.0.0.1:8088, [::1]:8088, or 127.0.0.1:0 for any free port.");
  return parsed;
}

std::optional<std::string> MappingReader::item_text(const YamlNode& item, const std::string& key) {
  if (item.kind != YamlNode::Kind::scalar || item.text.empty()) {
    reader_.report.error(item.where,
                         fmt::format("an entry of `{}` must be text, and this is {}", key,
                                     item.kind == YamlNode::Kind::scalar ? "empty" : item.describe()));
    return std::nullopt;
  }
  return reader_.environment.substitute(reader_.report, item.where, item.text);
}

std::vector<std::string> MappingReader::texts(const std::string& key) {
  std::vector<std::string> found;
  const YamlNode* value = find(key);
  if (value == nullptr) return found;
  if (value->kind == YamlNode::Kind::scalar) {
    if (auto one = optional_text(key)) found.push_back(*one);
    return found;
  }
  for (const YamlNode& item : items(key)) {
    auto text = item_text(item, key);
    if (!text) continue;
    if (std::find(found.begin(), found.end(), *text) != found.end())
      reader_.report.error(item.where, fmt::format("`{}` names `{}` twice", key, *text), "Keep one of them.");
    else
      found.push_back(*text);
  }
  return found;
}

const std::vector<YamlNode>& MappingReader::items(const std::string& key) {
  static const std::vector<YamlNode> none;
  const YamlNode* value = find(key);
  if (value == nullptr) return none;
  if (value->kind != YamlNode::Kind::sequence) {
    wrong_type(key, *value, "a list");
    return none;
  }
  return value->items;
}

std::optional<size_t> MappingReader::choice_index(const std::string& key,
                                                  const std::vector<std::string>& words) {
  auto value = scalar(key, "a word");
  if (!value) return std::nullopt;
  auto found = std::find(words.begin(), words.end(), *value);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  error(key, fmt::format("`{}` cannot be `{}`{}", key, written(key), did_you_mean(written(key), words)),
        fmt::format("Allowed: {}.", quoted_words(words)));
  return std::nullopt;
}

void MappingReader::finish() {
  for (const YamlNode::Pair& pair : node_.pairs) {
    if (std::find(known_.begin(), known_.end(), pair.key) != known_.end()) continue;
    reader_.report.error(
        pair.key_where,
        fmt::format("unknown key `{}` in {}{}", pair.key, what_, did_you_mean(pair.key, known_)),
        fmt::format("Known keys: {}.", quoted_words(known_)));
  }
}

void MappingReader::error(const std::string& key, std::string message, std::string remedy) {
  reader_.report.error(where(key), std::move(message), std::move(remedy));
}

void MappingReader::warning(const std::string& key, std::string message, std::string remedy) {
  reader_.report.warning(where(key), std::move(message), std::move(remedy));
}

}  // namespace tidemark::config
