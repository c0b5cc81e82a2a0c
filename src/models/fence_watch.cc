#include "models/fence_watch.h"

#include "clickhouse/schema.h"
#include "models/fence_limits.h"

#include <thread>

namespace tidemark::models {

Result<FenceWatch::Fences> FenceWatch::fences() {
  Fences found;
  if (!TRY(clickhouse::table_exists(client_, "tidemark", "cuts"))) return found;
  Block block = TRY(client_.query(
      "SELECT source, toString(max(tuple(epoch, cut, end_lsn))) FROM tidemark.cuts FINAL WHERE state = "
      "'fenced' GROUP BY source"));
  for (size_t row = 0; row < block.rows(); ++row)
    found.emplace(block.columns[0].text(row), block.columns[1].text(row));
  return found;
}

Status FenceWatch::begin() {
  began_ = TRY(fences());
  return {};
}

Result<bool> FenceWatch::at_rest() {
  const Fences ended = TRY(fences());
  if (ended.empty()) return true;  // nothing is written by cuts
  using std::chrono::steady_clock;
  auto patience = ended == still_ ? limits::fence_grace : limits::fence_patience;
  auto deadline = steady_clock::now() + patience;
  bool moves = false;
  for (Fences now = ended;; now = TRY(fences())) {
    size_t moved = 0;
    for (const auto& [source, fence] : now) {
      auto before = ended.find(source);
      moved += before == ended.end() || before->second != fence;
    }
    if (moved == now.size()) return false;
    // Other sources may have nothing under way.
    if (moved > 0 && !std::exchange(moves, true))
      deadline = std::min(deadline, steady_clock::now() + limits::fence_grace);
    if (steady_clock::now() >= deadline) {
      if (moves) return false;
      still_ = now;
      return began_ == now;
    }
    std::this_thread::sleep_for(limits::fence_look_every);
  }
}

}  // namespace tidemark::models
