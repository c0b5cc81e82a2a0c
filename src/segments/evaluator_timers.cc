// The clock's part of the evaluator: timers that come due, in slices, between the cuts.
#include "base/log.h"
#include "segments/evaluator_group.h"
#include "segments/membership_limits.h"

namespace tidemark::segments {

bool Evaluator::is_current(const Group& group) const {
  return find(group.name).get() == &group;
}

Status Evaluator::settle() {
  std::vector<std::shared_ptr<Group>> groups;
  {
    std::lock_guard lock(mutex_);
    groups = groups_;
  }
  for (const auto& group : groups) TRY_VOID(look_at_timers(*group));
  return {};
}

// At `now`. Where many wait for one and the same segment, they are asked for it alone.
std::vector<Evaluator::DueSlice> Evaluator::slices_of(const Group& group, std::vector<Timer> timers,
                                                      int64_t now) const {
  std::map<std::string, size_t> places;
  if (!group.alone.empty())
    for (size_t index = 0; index < group.segments.size(); ++index) places[group.segments[index]] = index;
  std::map<size_t, size_t> waiting;
  auto alone = [&](const Timer& timer) -> std::optional<size_t> {
    auto place = places.find(timer.segment);
    return place != places.end() && timer.rest > now ? std::optional(place->second) : std::nullopt;
  };
  for (const Timer& timer : timers)
    if (auto segment = alone(timer)) ++waiting[*segment];
  std::map<std::optional<size_t>, std::vector<DueSlice>> slices;
  for (Timer& timer : timers) {
    auto segment = alone(timer);
    if (segment && waiting[*segment] < hooks_.alone_entities_min) segment.reset();
    auto& list = slices[segment];
    if (list.empty() || list.back().timers.size() == limits::entities_a_slice)
      list.push_back({.segment = segment, .timers = {}});
    list.back().timers.push_back(std::move(timer));
  }
  std::vector<DueSlice> all;
  for (auto& [segment, list] : slices) std::move(list.begin(), list.end(), std::back_inserter(all));
  return all;
}

Status Evaluator::evaluate_due(Group& group, const DueSlice& slice) {
  std::vector<std::string> entities;
  for (const Timer& timer : slice.timers) entities.push_back(timer.entity);
  auto evaluated = [&] { return evaluate(group, &entities, "time", &slice); };
  return hooks_.while_whole ? hooks_.while_whole(evaluated) : evaluated();
}

Status Evaluator::look_at_timers(Group& group) {
  int64_t from, now;
  std::vector<Timer> timers;
  {
    // Whoever evaluates writes timers behind its own instant before its turn ends, so none is missing here.
    Turn turn(*this, false);
    if (!is_current(group)) return {};  // replaced or held meanwhile, as below
    from = group.looked_until;
    now = clock_.wall_micros();
    timers = TRY(store_.due(group.name, from, now, limits::entities_by_key_max));
  }
  // Timers this old are gone.
  bool any = !timers.empty(),
       lost = now - from > static_cast<int64_t>(limits::timer_days_kept - 1) * 86'400'000'000;
  if (lost || timers.size() > limits::entities_by_key_max) {
    Turn turn(*this, false);
    if (!is_current(group)) return {};
    auto evaluated = [&] { return evaluate(group, nullptr, "time"); };
    TRY_VOID(hooks_.while_whole ? hooks_.while_whole(evaluated) : evaluated());
  } else {
    for (const DueSlice& slice : slices_of(group, std::move(timers), now)) {
      Turn turn(*this, false);
      if (!is_current(group)) return {};
      TRY_VOID(evaluate_due(group, slice));
    }
  }
  Turn turn(*this, false);
  if (!is_current(group)) return {};
  if (any || lost) TRY_VOID(store_.save_looked_until(group.name, now));
  group.looked_until = std::max(group.looked_until, now);
  group.next_due = TRY(store_.next_due(group.name, group.looked_until)).value_or(never_us);
  group.rests_until = clock_.wall_micros() + limits::timer_gather_us;
  return {};
}

void Evaluator::run_timers() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    int64_t now = clock_.wall_micros();
    std::shared_ptr<Group> ready;
    int64_t wait = limits::timer_sleep_us_max;
    for (const auto& group : groups_) {
      if (held_.contains(group->name)) continue;
      int64_t due = std::max<int64_t>(group->next_due, group->rests_until);
      if (due <= now)
        ready = group;
      else if (due != never_us)
        wait = std::min(wait, due - now);
    }
    // Nothing is due: time to read ahead.
    std::shared_ptr<Group> cold;
    for (const auto& group : groups_) {
      if (ready || !group->kept || held_.contains(group->name) || (group->kept->warm && !group->kept->again))
        continue;
      if (group->kept->rests_until <= now)
        cold = group;
      else
        wait = std::min(wait, group->kept->rests_until - now);
    }
    if (cold) {
      lock.unlock();
      if (Status read = warm(*cold); !read && !stop_) {
        log::warn("segments: facts are not read ahead yet: {}", read.error().message);
        cold->kept->rests_until = clock_.wall_micros() + limits::timer_sleep_us_max;
      }
      lock.lock();
      continue;
    }
    if (!ready) {
      woken_.wait_for(lock, std::chrono::microseconds(wait));
      continue;
    }
    lock.unlock();
    if (Status looked = look_at_timers(*ready); !looked && !stop_) {
      log::warn("segments: the clock's turn failed, trying again: {}", looked.error().message);
      std::this_thread::sleep_for(std::chrono::microseconds(limits::timer_sleep_us_max));
    }
    lock.lock();
  }
}

void Evaluator::stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  woken_.notify_all();
}

}  // namespace tidemark::segments
