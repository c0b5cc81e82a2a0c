// When an answer that somebody has is still the one there would be: the ETag of endpoints and of tiles.
//
// Two kinds of tag. Of most queries it is known what they read and that only cuts change that: their tag is
// made of the request and of how many cuts have touched those tables, so that who asks again with
// If-None-Match costs no query. Of all others (clocks, memberships, tables that are being copied) it is made
// of the answer's bytes: then the query runs, and only the way back is spared.
//
// A version is read before the query: rows of a cut that lands in between are newer than the tag says, and
// the next request is asked again. What changes without a cut all the same (somebody is deleted, a table is
// repaired) shows after limits::live_refresh_idle_seconds, as on the page.
//
// Thread-safe.
#pragma once

#include "clickhouse/client.h"
#include "http/server.h"
#include "ingest/pipeline_status.h"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::serve {

class DataVersions {
 public:
  DataVersions();
  void on_cut(const ingest::CutEvent& cut);
  // Empty: not to be told, because one of the tables is no live table of a source that follows, or its newest
  // cut has not been heard of.
  std::string of(const std::vector<std::string>& tables, const ingest::PipelineStatus& status) const;

 private:
  const std::string instance_;  // counts begin anew with the program
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> touched_;  // table -> cuts
  std::map<std::string, uint64_t> heard_;    // source -> number of the newest cut
};

// What is bound to a query, in one form.
std::string bound_text(const clickhouse::QueryOptions& options);
// "\"0123...\"": of bytes, or of whatever tells answers apart.
std::string tag_of(std::string_view text);
// The request says that it has this answer.
bool has_answer(const http::Request& request, const std::string& tag);
// What is sent then, instead of the answer.
http::Response unchanged(const std::string& tag);

// Of endpoints and tiles, since start.
struct AnswerCounters {
  std::atomic<uint64_t> queries{0};    // asked of the warehouse
  std::atomic<uint64_t> unchanged{0};  // 304 without one
};
std::string answer_metrics(const AnswerCounters& counters);

}  // namespace tidemark::serve
