#include "models/model_source.h"
#include "models/plan.h"

namespace tidemark::models {
namespace {

std::string amount(uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string text_of(std::string_view value) {
  std::string out = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  }
  return out + "\"";
}

std::string list_of(const std::vector<std::string>& values) {
  std::vector<std::string> texts;
  for (const auto& value : values) texts.push_back(text_of(value));
  return "[" + joined(texts) + "]";
}

}  // namespace

std::string Plan::to_text() const {
  if (steps.empty()) return "Nothing to do: the warehouse has the models of this project.\n";
  std::string out;
  for (const auto& step : steps) {
    char sign = step.change == ChangeClass::created ? '+' : step.change == ChangeClass::dropped ? '-' : '~';
    out += fmt::format("{} {}  {}, {}{}\n", sign, step.model, models::name(step.kind),
                       models::name(step.change), step.destructive ? " (destructive: needs --yes)" : "");
    for (const auto& reason : step.reasons) out += "    " + reason + "\n";
    if (step.rows > 0) out += fmt::format("    reads {} rows, {}\n", step.rows, amount(step.bytes));
    if (!step.live.empty())
      out += "    reads live, as of no commit, so verify leaves it out: " + joined(step.live) + "\n";
    if (!step.joined_at_read.empty())
      out += "    joins when it is read: " + joined(step.joined_at_read) + "\n";
    if (!step.downstream.empty()) out += "    read by " + joined(step.downstream) + "\n";
  }
  out += fmt::format("{} change{}\n", steps.size(), steps.size() == 1 ? "" : "s");
  return id.empty() ? out : out + fmt::format("plan {}: tidemark apply --plan {}\n", id, id);
}

std::string Plan::to_json() const {
  std::vector<std::string> list;
  for (const auto& step : steps)
    list.push_back(fmt::format(
        "{{\"model\": {}, \"kind\": {}, \"change\": {}, \"reasons\": {}, \"rows\": {}, \"bytes\": {}, "
        "\"downstream\": {}, "
        "\"live\": {}, \"joined_at_read\": {}, \"destructive\": {}}}",
        text_of(step.model), text_of(models::name(step.kind)), text_of(models::name(step.change)),
        list_of(step.reasons), step.rows, step.bytes, list_of(step.downstream), list_of(step.live),
        list_of(step.joined_at_read), step.destructive));
  return "{\"plan\": " + text_of(id) + ", \"steps\": [" + joined(list) + "]}";
}

}  // namespace tidemark::models
