#include "segments/everybody.h"

#include "segments/membership_limits.h"

#include <algorithm>
#include <future>
#include <mutex>

namespace tidemark::segments {
namespace {

Result<std::vector<KeyRange>> ranges_of(clickhouse::Client& client, const DiffQuery& query) {
  std::vector<KeyRange> ranges(1);
  if (query.compiled.range_type.empty()) return ranges;
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::milliseconds(limits::everybody_bounds_ms_max);
  Block bounds = TRY(client.query(query.compiled.bounds, options));
  for (size_t row = 0; row < bounds.rows(); ++row) {
    std::string bound(bounds.columns[0].text(row));
    ranges.back().upto = bound;
    ranges.push_back({.after = std::move(bound), .upto = std::nullopt});
  }
  return ranges;
}

// What the questions share that are under way at one time.
class Questions {
 public:
  Questions(const Everybody& everybody, std::vector<KeyRange> ranges, const std::atomic<bool>& stop,
            const std::function<Status(const Block&)>& take)
      : everybody_(everybody), ranges_(std::move(ranges)), stop_(stop), take_(take) {}

  size_t count() const { return ranges_.size(); }

  // Asks until none is left, or one failed.
  Status ask(clickhouse::Client& client) {
    for (size_t index; !failed_ && (index = next_++) < ranges_.size();) {
      if (stop_) return fail(ErrorKind::cancelled, "asking everybody was ended");
      Status asked = client.query_blocks(
          everybody_.query.sql,
          diff_options(everybody_.query, everybody_.segments, everybody_.as_of, nullptr, ranges_[index]),
          [&](const Block& block) -> Status {
            std::lock_guard lock(mutex_);
            return take_(block);
          });
      if (asked) continue;
      failed_ = true;
      return asked;
    }
    return {};
  }

 private:
  const Everybody& everybody_;
  const std::vector<KeyRange> ranges_;
  const std::atomic<bool>& stop_;
  const std::function<Status(const Block&)>& take_;
  std::mutex mutex_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
};

}  // namespace

Status ask_everybody(clickhouse::ClientPool& pool, const Everybody& everybody, const std::atomic<bool>& stop,
                     const std::function<Status(const Block&)>& take) {
  auto ranges = TRY(ranges_of(*pool.lease(), everybody.query));
  Questions questions(everybody, std::move(ranges), stop, take);
  std::vector<std::future<Status>> others;
  for (size_t one = 1; one < std::min(limits::everybody_questions, questions.count()); ++one)
    others.push_back(std::async(std::launch::async, [&] { return questions.ask(*pool.lease()); }));
  Status done = questions.ask(*pool.lease());
  for (auto& other : others)
    if (Status ended = other.get(); done && !ended) done = std::move(ended);
  return done;
}

Status ask_everybody(clickhouse::Client& client, const Everybody& everybody,
                     const std::function<Status(const Block&)>& take) {
  static const std::atomic<bool> never_stopped = false;
  Questions questions(everybody, TRY(ranges_of(client, everybody.query)), never_stopped, take);
  return questions.ask(client);
}

}  // namespace tidemark::segments
