// Everybody is asked: in slices of the key where the query has ranges (CompiledSegments::range_type), two at
// a time, because one question about a million people keeps one core busy for most of its time and its
// aggregates in the memory at once; else in one question. All are as of the same instant; what is written
// meanwhile may be in later slices and not in earlier ones, so who writes says which entities it touched.
#pragma once

#include "clickhouse/client_pool.h"
#include "segments/membership_diff.h"

#include <atomic>
#include <functional>

namespace tidemark::segments {

struct Everybody {
  const DiffQuery& query;
  const std::vector<std::string>& segments;  // their names, as diff_query() had them
  int64_t as_of = 0;
};

// `take` is called by one thread at a time, with rows of diff_query(). Errors: those of the server and of
// `take`, the first one; `stop` ends it between slices.
Status ask_everybody(clickhouse::ClientPool& pool, const Everybody& everybody, const std::atomic<bool>& stop,
                     const std::function<Status(const Block&)>& take);
// The same over one connection, slice by slice.
Status ask_everybody(clickhouse::Client& client, const Everybody& everybody,
                     const std::function<Status(const Block&)>& take);

}  // namespace tidemark::segments
