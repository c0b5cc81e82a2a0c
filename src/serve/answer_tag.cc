#include "serve/answer_tag.h"

#include "base/clock.h"
#include "base/limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/sha.h>

namespace tidemark::serve {

DataVersions::DataVersions() : instance_(fmt::format("{:x}", system_clock().wall_micros())) {}

void DataVersions::on_cut(const ingest::CutEvent& cut) {
  std::lock_guard lock(mutex_);
  for (const auto& table : cut.tables) ++touched_[table];
  uint64_t& heard = heard_[cut.source];
  heard = std::max(heard, cut.cut);
}

std::string DataVersions::of(const std::vector<std::string>& tables,
                             const ingest::PipelineStatus& status) const {
  std::lock_guard lock(mutex_);
  std::string version = fmt::format(
      "{} {}", instance_,
      system_clock().monotonic_micros() / (int64_t{limits::live_refresh_idle_seconds} * 1'000'000));
  size_t found = 0;
  for (const auto& source : status.sources) {
    bool read = false;
    for (const auto& table : source.tables) {
      if (std::find(tables.begin(), tables.end(), table.table) == tables.end()) continue;
      // Rows that are copied come without cuts.
      if (table.state != "live") return "";
      auto count = touched_.find(table.table);
      version += fmt::format(" {}:{}", table.table, count == touched_.end() ? 0 : count->second);
      read = true;
      ++found;
    }
    if (!read) continue;
    auto heard = heard_.find(source.source);
    if (!source.follows() || (heard != heard_.end() && heard->second < source.last_cut)) return "";
  }
  return found == tables.size() && found > 0 ? version : "";
}

std::string bound_text(const clickhouse::QueryOptions& options) {
  std::string text;
  for (const auto* list : {&options.parameters, &options.raw_parameters})
    for (const auto& [name, value] : *list) text += fmt::format("{}={}:{}\n", name, value.size(), value);
  return text;
}

std::string tag_of(std::string_view text) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash);
  std::string tag = "\"";
  for (int i = 0; i < 16; ++i) tag += fmt::format("{:02x}", hash[i]);
  return tag + "\"";
}

bool has_answer(const http::Request& request, const std::string& tag) {
  return !tag.empty() && request.header("if-none-match").find(tag) != std::string_view::npos;
}

http::Response unchanged(const std::string& tag) {
  http::Response response;
  response.status = 304;
  response.headers = {{"ETag", tag}, {"Cache-Control", "no-cache"}};
  return response;
}

std::string answer_metrics(const AnswerCounters& counters) {
  return fmt::format(
      "# HELP tidemark_answer_queries_total Queries of endpoints and of tiles as files\n"
      "# TYPE tidemark_answer_queries_total counter\ntidemark_answer_queries_total {}\n"
      "# HELP tidemark_answers_unchanged_total Requests with If-None-Match that were answered without a "
      "query\n"
      "# TYPE tidemark_answers_unchanged_total counter\ntidemark_answers_unchanged_total {}\n",
      counters.queries.load(), counters.unchanged.load());
}

}  // namespace tidemark::serve
