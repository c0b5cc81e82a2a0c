#include "experiments/units_sorter.h"

#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "experiments/unit_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace tidemark::experiments {
namespace {

// Those that questions are asked with have the machine before this.
clickhouse::QueryOptions part_options() {
  clickhouse::QueryOptions options = unit_query_options();
  options.settings["max_threads"] = "1";
  options.settings["max_insert_threads"] = "1";
  return options;
}

Result<std::vector<std::string>> parts_of(clickhouse::Client& client, const std::string& table) {
  Block found = TRY(
      client.query(fmt::format("SELECT name FROM system.parts WHERE active AND concat('`', database, '`.`', "
                               "table, '`') = {} ORDER BY name",
                               clickhouse::quote_string(table)),
                   unit_query_options()));
  std::vector<std::string> parts;
  for (size_t row = 0; row < found.rows(); ++row) parts.emplace_back(found.columns[0].text(row));
  return parts;
}

}  // namespace

Result<bool> sort_units(clickhouse::Client& client, AskedUnits& asked, const std::function<bool()>& go_on) {
  KeptUnits::Sorting sorting;
  {
    std::lock_guard asking(asked.asking);
    auto begun = TRY(asked.units.begin_sorting(client));
    if (!begun) return false;
    sorting = std::move(*begun);
  }
  auto copy = [&]() -> Result<bool> {
    for (const std::string& part : TRY(parts_of(client, sorting.from))) {
      {
        std::lock_guard asking(asked.asking);
        if (!go_on() || !asked.units.is_sorting(sorting)) return false;
      }
      TRY_VOID(client.execute(fmt::format("INSERT INTO {} SELECT * FROM {} WHERE _part = {}", sorting.to,
                                          sorting.from, clickhouse::quote_string(part)),
                              part_options()));
    }
    return true;
  };
  auto copied = copy();
  std::unique_lock asking(asked.asking);
  // Of units that were dropped meanwhile nothing is to be said: their tables went while they were read.
  if (!asked.units.is_sorting(sorting)) return false;
  if (!copied || !*copied) {
    asked.units.leave_sorting(client);
    return copied;
  }
  TRY_VOID(asked.units.end_sorting(client));
  asking.unlock();
  // It takes a moment, and nobody reads it any more.
  if (Status dropped = drop_unit_table(client, sorting.from); !dropped)
    log::info("experiments: an unsorted table of units is dropped by the next start: {}",
              dropped.error().describe());
  return true;
}

UnitsSorter::~UnitsSorter() {
  stop();
}

void UnitsSorter::begin(const clickhouse::Endpoint& endpoint, const std::string& experiment,
                        std::shared_ptr<AskedUnits> asked) {
  std::lock_guard lock(mutex_);
  bool waits =
      std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.asked == asked; });
  if (stopping_ || waits) return;
  waiting_.push_back({endpoint, experiment, std::move(asked)});
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  changed_.notify_all();
}

void UnitsSorter::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool UnitsSorter::stopping() {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void UnitsSorter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Waiting one = waiting_.front();
    lock.unlock();
    sort(one);
    lock.lock();
    waiting_.pop_front();
  }
}

void UnitsSorter::sort(const Waiting& one) {
  clickhouse::Client client(one.endpoint);
  int64_t begun_us = system_clock().monotonic_micros();
  auto sorted = sort_units(client, *one.asked, [this] { return !stopping(); });
  double seconds = static_cast<double>(system_clock().monotonic_micros() - begun_us) / 1e6;
  if (!sorted)
    log::warn("experiments: the kept units of {} are not sorted, so next read-outs are slower: {}",
              one.experiment, sorted.error().describe());
  else if (*sorted)
    log::info("experiments: the kept units of {} are sorted after {:.1f} s", one.experiment, seconds);
}

}  // namespace tidemark::experiments
