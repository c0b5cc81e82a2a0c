// tidemark status: asks the running instance.
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/running_instance.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "http/client.h"
#include "ingest/pull_connector.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return std::string(value->as_string());
  if (value->is_double()) return fmt::format("{:.1f}", value->as_double());
  if (value->is_uint64()) return with_commas(value->as_uint64());
  if (value->is_int64()) return with_commas(static_cast<uint64_t>(std::max<int64_t>(0, value->as_int64())));
  return json::serialize(*value);
}

// "3 pass", "1 of 3 fail", "2 not asked yet"
std::string audits_of(const json::object& model) {
  const json::value* list = model.if_contains("audits");
  if (list == nullptr || !list->is_array() || list->as_array().empty()) return "";
  size_t failing = 0, unknown = 0, all = list->as_array().size();
  for (const auto& entry : list->as_array()) {
    const auto& audit = entry.as_object();
    if (audit.at("failing").is_null())
      ++unknown;
    else if (text_of(audit, "failing") != "0" || audit.contains("error"))
      ++failing;
  }
  if (failing > 0) return fmt::format("{} of {} fail", failing, all);
  return unknown > 0 ? fmt::format("{} not asked yet", unknown) : fmt::format("{} pass", all);
}

// Also of mirrored tables, which have no line of their own.
std::string failing_audits(const json::object& status) {
  std::string text;
  const json::value* list = status.if_contains("audits");
  for (const auto& entry : list != nullptr ? list->as_array() : json::array()) {
    const auto& audit = entry.as_object();
    std::string failing = text_of(audit, "failing"), error = text_of(audit, "error");
    if (error.empty() && (failing.empty() || failing == "0")) continue;
    text += fmt::format("audit {} of {} ({}): {}\n", text_of(audit, "audit"), text_of(audit, "model"),
                        text_of(audit, "severity"), error.empty() ? failing + " rows fail" : error);
    if (const auto* examples = audit.if_contains("examples"))
      for (const auto& example : examples->as_array()) text += "  " + std::string(example.as_string()) + "\n";
  }
  return text.empty() ? text : text + "\n";
}

std::string destinations_of(const json::object& status) {
  Table table({{"destination"}, {"state"}, {"pending", Align::right}, {"dead", Align::right}});
  std::string reasons;
  if (const auto* list = status.if_contains("destinations"); list != nullptr)
    for (const auto& entry : list->as_array()) {
      const auto& facts = entry.as_object();
      table.add({text_of(facts, "destination"), text_of(facts, "state"), text_of(facts, "pending"),
                 text_of(facts, "dead")});
      if (std::string reason = text_of(facts, "reason"); !reason.empty())
        reasons += fmt::format("  {}: {}\n", text_of(facts, "destination"), reason);
    }
  return table.rows() == 0 ? "" : table.render(table_style()) + reasons + "\n";
}

// Of a source that is sent to.
std::string intake_line(const json::object& intake) {
  std::string text = fmt::format("  accepted {}, duplicates {}, spool {} of {} bytes",
                                 text_of(intake, "accepted"), text_of(intake, "duplicates"),
                                 text_of(intake, "spool_bytes"), text_of(intake, "spool_bytes_max"));
  if (const auto* rejected = intake.if_contains("rejected"))
    for (const auto& [reason, count] : rejected->as_object())
      text += fmt::format(", rejected {} ({})", json::serialize(count), std::string_view(reason));
  if (std::string error = text_of(intake, "spool_error"); !error.empty()) text += "\n  " + error;
  return text + "\n";
}

std::string time_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64()) return "";
  return ingest::api_time(value->as_int64() * 1000);
}

// "2 h 5 min"
std::string time_text(uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7'200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h {} min", seconds / 3'600, seconds / 60 % 60);
}

// Of a source that is streamed: what its slot makes the server keep.
std::string slot_line(const json::object& slot) {
  auto seconds = [&](const char* key) -> std::optional<uint64_t> {
    const json::value* value = slot.if_contains(key);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->to_number<uint64_t>();
  };
  std::string text = fmt::format("  slot {}, {} bytes of log kept", text_of(slot, "wal_status"),
                                 text_of(slot, "retained_bytes"));
  if (std::string left = text_of(slot, "left_bytes"); !left.empty()) text += fmt::format(" ({} left)", left);
  if (auto left = seconds("seconds_left")) text += fmt::format(", invalid in {}", time_text(*left));
  if (auto ago = seconds("acknowledged_seconds_ago")) text += fmt::format(", moved {} ago", time_text(*ago));
  if (std::string warning = text_of(slot, "warning"); !warning.empty()) text += "\n    " + warning;
  return text + "\n";
}

// Of a source that asks by itself.
std::string pull_lines(const json::object& pull) {
  std::string state = text_of(pull, "state");
  std::string text = fmt::format("  asks {}: {}, {} requests, {} waits for limits", text_of(pull, "from"),
                                 state, text_of(pull, "requests"), text_of(pull, "throttled"));
  if (std::string why = text_of(pull, "waiting_for"); !why.empty() && state != "idle")
    text += fmt::format(", waits for {} until {}", why, time_of(pull, "waiting_until_ms"));
  else if (std::string next = time_of(pull, "next_pass_ms"); !next.empty())
    text += ", again at " + next;
  if (std::string error = text_of(pull, "error"); !error.empty()) text += "\n    " + error;
  text += "\n";
  if (state == "off") return text;
  Table streams({{"stream"},
                 {"all until"},
                 {"passes", Align::right},
                 {"pages", Align::right},
                 {"rows", Align::right},
                 {"refused", Align::right}});
  for (const auto& entry : pull.at("streams").as_array()) {
    const auto& stream = entry.as_object();
    std::string until = time_of(stream, "watermark_ms");
    streams.add({text_of(stream, "stream"), until.empty() ? "(first pass)" : until, text_of(stream, "passes"),
                 text_of(stream, "pages"), text_of(stream, "rows"), text_of(stream, "refused")});
  }
  return text + streams.render(table_style());
}

std::string render(const json::object& status) {
  std::string text;
  TableStyle style = table_style();
  const json::value* sources = status.if_contains("sources");
  for (const auto& entry : sources != nullptr ? sources->as_array() : json::array()) {
    const auto& source = entry.as_object();
    std::string counted = text_of(source, "positions");
    text += fmt::format("source {}: {}, {} ms and {} {} behind\n", text_of(source, "source"),
                        text_of(source, "state"), text_of(source, "lag_ms"), text_of(source, "lag_bytes"),
                        counted == "messages" || counted == "runs" ? counted : "bytes");
    if (std::string error = text_of(source, "error"); !error.empty()) text += "  " + error + "\n";
    if (const auto* ladder = source.if_contains("ladder"); ladder != nullptr && ladder->is_object()) {
      text += "  ";
      for (const char* step : {"server", "received", "cut", "queryable", "fenced", "acknowledged"})
        text += fmt::format("{} {}  ", step, text_of(ladder->as_object(), step));
      text += "\n";
    }
    if (const auto* slot = source.if_contains("slot"); slot != nullptr && slot->is_object())
      text += slot_line(slot->as_object());
    if (const auto* left = source.if_contains("copy_seconds_left"); left != nullptr && left->is_int64())
      text += fmt::format("  copied in about {}\n", time_text(static_cast<uint64_t>(left->as_int64())));
    if (const auto* intake = source.if_contains("intake"); intake != nullptr && intake->is_object())
      text += intake_line(intake->as_object());
    if (const auto* pull = source.if_contains("pull"); pull != nullptr && pull->is_object())
      text += pull_lines(pull->as_object());
    Table tables({{"table"}, {"state"}, {"rows applied", Align::right}, {"quarantined", Align::right}});
    std::string remarks;
    if (const auto* list = source.if_contains("tables"); list != nullptr)
      for (const auto& entry : list->as_array()) {
        const auto& table = entry.as_object();
        tables.add({text_of(table, "table"), text_of(table, "state"), text_of(table, "rows_applied"),
                    text_of(table, "quarantined")});
        for (const char* what : {"error", "note"})
          if (std::string remark = text_of(table, what); !remark.empty())
            remarks += fmt::format("  {}: {}\n", text_of(table, "table"), remark);
      }
    text += remarks;
    text += tables.render(style) + "\n";
  }
  Table models({{"model"}, {"state"}, {"behind ms", Align::right}, {"audits"}});
  std::string reasons;
  if (const auto* list = status.if_contains("models"); list != nullptr)
    for (const auto& entry : list->as_array()) {
      const auto& model = entry.as_object();
      models.add({text_of(model, "model"), text_of(model, "state"), text_of(model, "as_of_lag_ms"),
                  audits_of(model)});
      if (std::string reason = text_of(model, "reason"); !reason.empty())
        reasons += fmt::format("  {}: {}\n", text_of(model, "model"), reason);
      if (const auto* refresh = model.if_contains("refresh"); refresh != nullptr)
        if (std::string error = text_of(refresh->as_object(), "error"); !error.empty())
          reasons += fmt::format("  {} shows its last good result: {}\n", text_of(model, "model"), error);
    }
  if (models.rows() > 0) text += models.render(style) + reasons + "\n";
  text += destinations_of(status);
  text += failing_audits(status);
  if (const auto* latency = status.if_contains("commit_to_queryable_ms");
      latency != nullptr && latency->is_object())
    text += fmt::format("commit to queryable: p50 {} ms, p99 {} ms\n", text_of(latency->as_object(), "p50"),
                        text_of(latency->as_object(), "p99"));
  return text;
}

}  // namespace

Run add_status(CLI::App&) {
  return [](const Invocation& invocation) -> Result<ExitCode> {
    auto running = TRY(running_instance(TRY(invocation.project_directory())));
    auto answer = TRY(http::get(running.url + "/api/status", running.token, std::chrono::seconds(10)));
    if (answer.status != 200)
      return fail(ErrorKind::dependency_down,
                  fmt::format("{}/api/status answered {}", running.url, answer.status));
    if (invocation.json) {
      print_out(answer.body.ends_with('\n') ? answer.body : answer.body + "\n");
      return ExitCode::ok;
    }
    boost::system::error_code error;
    auto status = json::parse(answer.body, error);
    if (error || !status.is_object())
      return fail(ErrorKind::corrupt, "the status of the running instance is not JSON");
    print_out(render(status.as_object()));
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
