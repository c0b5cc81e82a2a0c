#include "notify/courier.h"

#include "base/clock.h"
#include "base/log.h"
#include "notify/notify_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::notify {
namespace {

using std::chrono::microseconds;

int64_t now_us() {
  return system_clock().monotonic_micros();
}
int64_t wall_ms() {
  return system_clock().wall_micros() / 1000;
}

// Between two writes of the position; a restart looks at what lies behind the last one again.
constexpr int64_t position_every_us = 2'000'000;
// However much a loop has overlooked: it does not spin.
constexpr int64_t wait_us_min = 2'000;
constexpr int64_t wait_us_max = 1'000'000;
// Parcels that lie ready for a carrier that becomes free while the books are written.
constexpr size_t parcels_ahead = 2;

}  // namespace

Courier::Courier(CourierOptions options, Outbox& outbox, DeliveryStore& store)
    : options_(std::move(options)), outbox_(outbox), store_(store) {
  facts_.destination = options_.destination;
  facts_.kind = options_.kind;
  facts_.where = options_.where;
  facts_.state = "starting";
  if (options_.in_hand_max == 0) options_.in_hand_max = limits::in_hand_max;
  if (options_.waiting_entities_max == 0) options_.waiting_entities_max = limits::waiting_entities_max;
}

Courier::~Courier() {
  stop();
}

void Courier::start() {
  thread_ = std::thread([this] { run(); });
  for (size_t index = 0; index < options_.concurrency; ++index) carriers_.emplace_back([this] { carry(); });
}

void Courier::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  job_.notify_all();
  for (auto& carrier : carriers_) carrier.join();
  carriers_.clear();
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    for (auto& job : jobs_)
      if (job.test) job.test->set_value({.result = Outcome::Result::away, .answer = "stopped"});
    jobs_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Courier::wake(uint64_t newest) {
  {
    std::lock_guard lock(mutex_);
    if (newest <= newest_) return;
    newest_ = newest;
    woken_ = true;
  }
  changed_.notify_one();
}

void Courier::wake(std::shared_ptr<const Outbox::News> news) {
  uint64_t newest = news->complete_to;
  {
    std::lock_guard lock(mutex_);
    news_ = std::move(news);
  }
  wake(newest);
}

// A thread of a carrier.
void Courier::carry() {
  auto carrier = options_.make_carrier();
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      job_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    Outcome outcome = carrier->carry(job.parcel.notifications);
    if (job.test) {
      job.test->set_value(std::move(outcome));
      continue;
    }
    {
      std::lock_guard lock(mutex_);
      done_.push_back({std::move(job.parcel), std::move(outcome)});
    }
    changed_.notify_one();
  }
}

void Courier::run() {
  while (!stopping_) {
    if (begin()) {
      serve();
      break;
    }
    show();
    wait();
    run_commands(false);
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
  }
  run_commands(false);
  if (!queue_) return;
  take_results();
  flush(true);
}

// What an earlier life left.
bool Courier::begin() {
  auto saved = store_.position(options_.destination);
  if (!saved) {
    warehouse_failed(saved.error());
    return false;
  }
  saved_ = *saved;
  queue_ = std::make_unique<DeliveryQueue>(
      QueueOptions{.parcel_size = options_.parcel_size,
                   .parcel_wait_us = options_.parcel_wait_us,
                   .in_hand_max = options_.in_hand_max,
                   .in_hand_bytes_max = limits::in_hand_bytes_max,
                   .waiting_entities_max = options_.waiting_entities_max,
                   .seed = static_cast<uint64_t>(system_clock().wall_micros())},
      saved_.position);
  if (!load_heads()) {
    queue_.reset();
    return false;
  }
  store_error_.clear();
  if (saved_.disabled)
    log::warn("destination {} is disabled: {}; tidemark destination resume {} ends that",
              options_.destination, saved_.reason, options_.destination);
  return true;
}

bool Courier::load_heads() {
  auto heads = store_.heads(options_.destination, options_.waiting_entities_max);
  if (!heads) {
    warehouse_failed(heads.error());
    return false;
  }
  const int64_t now = now_us();
  for (const auto& head : *heads) queue_->hold(head.entity, head.seq, head.attempts, now + head.wait_us);
  more_heads_ = heads->size() == options_.waiting_entities_max;
  return true;
}

void Courier::serve() {
  while (!stopping_) {
    bool progress = run_commands(true);
    progress |= take_results();
    if (!saved_.disabled) {
      progress |= hand_over();
      progress |= resume_due();
      progress |= read_more();
      progress |= hand_over();
    }
    flush_when_due(!progress);
    show();
    if (!progress) wait();
  }
}

bool Courier::paused() const {
  return now_us() < pause_until_;
}

bool Courier::take_results() {
  std::vector<Done> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  using Result = Outcome::Result;
  for (auto& [parcel, outcome] : done) {
    --under_way_;
    const int64_t now = now_us(), at_ms = wall_ms();
    const size_t count = parcel.notifications.size();
    if (outcome.result == Result::delivered) {
      for (const auto& notification : parcel.notifications)
        latency_us_.add(static_cast<uint64_t>(std::max<int64_t>(0, at_ms - notification.happened_at_ms)) *
                        1000);
      away_pause_ = 0;
      pause_reason_.clear();
    } else if (outcome.result == Result::away) {
      if (now >= pause_until_) {
        away_pause_ = std::clamp(away_pause_ * 2, limits::away_pause_us_min, limits::away_pause_us_max);
        pause_until_ = now + away_pause_;
        if (pause_reason_.empty())
          log::warn("destination {} is away, it is tried again: {}", options_.destination, outcome.answer);
        pause_reason_ = outcome.answer;
        slowed_ = false;
      }
    } else if (outcome.slow_down) {
      int64_t asked = std::min(outcome.retry_after_s.value_or(limits::slow_down_s), limits::slow_down_s_max);
      pause_until_ = std::max(pause_until_, now + asked * 1'000'000);
      pause_reason_ = outcome.answer.empty() ? "it asked for a pause" : outcome.answer;
      slowed_ = true;
    }
    const bool disables = outcome.result == Result::gone;
    const std::string answer = outcome.answer;
    const int status = outcome.status;
    auto records = queue_->settle(std::move(parcel), outcome, now);
    size_t died = 0;
    for (const auto& record : records) died += record.state == DeliveryState::dead ? 1 : 0;
    if (unwritten_.empty()) unwritten_since_ = now;
    std::move(records.begin(), records.end(), std::back_inserter(unwritten_));
    {
      std::lock_guard lock(mutex_);
      if (outcome.result == Result::delivered) {
        facts_.delivered += count;
        facts_.last_delivery_at_ms = at_ms;
      } else {
        ++facts_.failed;
        facts_.died += died;
        facts_.last_error = status == 0 ? answer : fmt::format("{} {}", status, answer);
        facts_.last_error_at_ms = at_ms;
      }
    }
    if (disables) disable(fmt::format("it answered {}: it wants no more", status));
  }
  return !done.empty();
}

void Courier::disable(const std::string& reason) {
  if (saved_.disabled) return;
  saved_.disabled = true;
  saved_.reason = reason;
  position_changed_ = true;
  log::warn("destination {} is disabled: {}; tidemark destination resume {} ends that", options_.destination,
            reason, options_.destination);
}

void Courier::warehouse_failed(const Error& error) {
  if (store_error_.empty())
    log::warn("destination {} waits for the warehouse: {}", options_.destination, error.message);
  store_error_ = error.message;
  store_again_at_ = now_us() + limits::store_pause_us;
}

bool Courier::flush(bool position) {
  if (!unwritten_.empty()) {
    if (Status written = store_.write(options_.destination, unwritten_); !written) {
      warehouse_failed(written.error());
      return false;
    }
    unwritten_.clear();
  }
  if (position) {
    SavedPosition next = saved_;
    next.position = std::max(saved_.position, queue_->position());
    if (next.position != saved_.position || position_changed_) {
      if (Status written = store_.save_position(options_.destination, next); !written) {
        warehouse_failed(written.error());
        return false;
      }
      saved_.position = next.position;
      position_changed_ = false;
    }
    position_saved_at_ = now_us();
  }
  store_error_.clear();
  return true;
}

void Courier::flush_when_due(bool idle) {
  const int64_t now = now_us();
  if (now < store_again_at_) return;
  const bool position = position_changed_ || (queue_->position() > saved_.position &&
                                              now - position_saved_at_ >= position_every_us);
  // While something is under way, more outcomes come in a moment.
  const bool outcomes = !unwritten_.empty() && ((idle && under_way_ == 0 && queue_->in_hand() == 0) ||
                                                unwritten_.size() >= limits::written_outcomes_max ||
                                                now - unwritten_since_ >= limits::outcome_age_us_max);
  if (position || outcomes) flush(position);
}

// Held entities whose time has come are read again.
bool Courier::resume_due() {
  const int64_t now = now_us();
  if (now < store_again_at_ || paused() || queue_->in_hand() >= options_.in_hand_max) return false;
  if (more_heads_ && queue_->waiting_entities() < options_.waiting_entities_max / 2) {
    if (!flush(true) || !load_heads()) return false;
  }
  auto entities = queue_->due(now, limits::resumed_entities_max);
  if (entities.empty()) return false;
  std::vector<std::string> names;
  uint64_t from = UINT64_MAX;
  for (const auto& [entity, head] : entities) {
    names.push_back(entity);
    from = std::min(from, head);
  }
  // What was settled a moment ago must not be read again.
  if (!flush(true)) {
    queue_->not_resumed(entities, store_again_at_);
    return false;
  }
  auto page = outbox_.read_entities(options_.destination, names, from, queue_->cursor(), saved_.position);
  if (!page) {
    warehouse_failed(page.error());
    queue_->not_resumed(entities, store_again_at_);
    return false;
  }
  queue_->resumed(entities, std::move(page->rows), page->complete_to, now_us());
  return true;
}

bool Courier::read_more() {
  uint64_t newest = 0;
  {
    std::lock_guard lock(mutex_);
    newest = newest_;
    woken_ = false;
  }
  const uint64_t cursor = queue_->cursor();
  if (cursor >= newest || more_heads_ || !queue_->wants_more() || now_us() < store_again_at_) return false;
  if (auto page = from_news(cursor)) {
    queue_->add(std::move(page->rows), page->complete_to, now_us());
    return true;
  }
  auto page = outbox_.read(options_.destination, cursor, newest, cursor < saved_.outcomes_to);
  if (!page) {
    warehouse_failed(page.error());
    return false;
  }
  store_error_.clear();
  queue_->add(std::move(page->rows), page->complete_to, now_us());
  return true;
}

// What was read for everybody, unless this destination is behind it or has to look at what it has settled.
std::optional<Outbox::Page> Courier::from_news(uint64_t cursor) const {
  std::shared_ptr<const Outbox::News> news;
  {
    std::lock_guard lock(mutex_);
    news = news_;
  }
  if (!news || cursor < news->after || cursor >= news->complete_to || cursor < saved_.outcomes_to)
    return std::nullopt;
  Outbox::Page page{.rows = {}, .complete_to = news->complete_to};
  for (const auto& [notification, destinations] : news->rows)
    if (notification.seq > cursor &&
        std::find(destinations.begin(), destinations.end(), options_.destination) != destinations.end())
      page.rows.push_back(notification);
  return page;
}

bool Courier::hand_over() {
  if (paused()) return false;
  bool any = false;
  const size_t most = options_.concurrency * parcels_ahead;
  while (under_way_ < most && unwritten_.size() < limits::unwritten_outcomes_max &&
         queue_->has_next(now_us())) {
    Job job{.parcel = queue_->next(now_us())};
    ++under_way_;
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    job_.notify_one();
    any = true;
  }
  return any;
}

void Courier::wait() {
  const int64_t now = now_us();
  int64_t until = now + wait_us_max;
  auto sooner = [&](int64_t at) { until = std::min(until, std::max(at, store_again_at_)); };
  if (queue_) {
    if (auto at = queue_->wakes_at(); at && !saved_.disabled && !paused()) sooner(*at);
    if (paused()) sooner(pause_until_);
    if (!unwritten_.empty()) sooner(unwritten_since_ + limits::outcome_age_us_max);
    if (queue_->position() > saved_.position) sooner(position_saved_at_ + position_every_us);
  }
  if (store_again_at_ > now) sooner(store_again_at_);
  until = std::max(until, now + wait_us_min);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, microseconds(until - now),
                    [&] { return stopping_ || woken_ || !done_.empty() || !commands_.empty(); });
}

bool Courier::run_commands(bool run) {
  std::deque<Command> commands;
  {
    std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (const auto& command : commands) command(run);
  return !commands.empty();
}

Result<uint64_t> Courier::on_thread(std::function<Result<uint64_t>()> action) {
  auto promise = std::make_shared<std::promise<Result<uint64_t>>>();
  auto answer = promise->get_future();
  {
    std::lock_guard lock(mutex_);
    if (ended_) return fail(ErrorKind::cancelled, "stopped");
    commands_.push_back([promise, action = std::move(action)](bool run) {
      promise->set_value(run ? action()
                             : fail(ErrorKind::dependency_down, "the destination is not at work yet",
                                    "the warehouse must be there; tidemark status says more"));
    });
  }
  changed_.notify_one();
  return answer.get();
}

Result<Outcome> Courier::test() {
  auto promise = std::make_shared<std::promise<Outcome>>();
  auto answer = promise->get_future();
  Job job{.parcel = {{{.seq = 0,
                       .kind = "tidemark.test",
                       .subject = "test",
                       .entity = "test",
                       .cause = "test",
                       .happened_at_ms = wall_ms()}}},
          .test = promise};
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorKind::cancelled, "stopped");
    jobs_.push_front(std::move(job));
  }
  job_.notify_one();
  return answer.get();
}

Status Courier::resume() {
  TRY(on_thread([this]() -> Result<uint64_t> {
    saved_.disabled = false;
    saved_.reason.clear();
    position_changed_ = true;
    pause_until_ = away_pause_ = 0;
    pause_reason_.clear();
    queue_->hurry(now_us());
    if (!flush(true)) return fail(ErrorKind::dependency_down, store_error_);
    return 0;
  }));
  return {};
}

Result<uint64_t> Courier::replay(const Selection& selection) {
  return on_thread([this, selection]() -> Result<uint64_t> {
    if (!flush(true)) return fail(ErrorKind::dependency_down, store_error_);
    uint64_t rows =
        TRY(store_.mark_replay(options_.destination, selection, saved_.position, queue_->cursor()));
    // Marked is promised: what cannot be loaded now is loaded later.
    if (rows > 0 && !load_heads()) more_heads_ = true;
    return rows;
  });
}

// What others see.
void Courier::show() {
  std::string state = "delivering", reason;
  if (saved_.disabled) {
    state = "disabled";
    reason = saved_.reason;
  } else if (!store_error_.empty()) {
    state = "warehouse";
    reason = store_error_;
  } else if (!pause_reason_.empty() && (paused() || !slowed_)) {
    state = slowed_ ? "slowed" : "away";
    reason = pause_reason_;
  } else if (queue_ && queue_->waiting_entities() >= options_.waiting_entities_max) {
    state = "full";
    reason = fmt::format("{} entities wait for another try", queue_->waiting_entities());
  }
  std::lock_guard lock(mutex_);
  facts_.state = std::move(state);
  facts_.reason = std::move(reason);
  if (!queue_) return;
  facts_.position = saved_.position;
  facts_.in_hand = queue_->in_hand();
  facts_.waiting_entities = queue_->waiting_entities();
}

DestinationFacts Courier::facts() const {
  std::lock_guard lock(mutex_);
  DestinationFacts facts = facts_;
  facts.latency_p50_us = latency_us_.quantile(0.5);
  facts.latency_p99_us = latency_us_.quantile(0.99);
  facts.latency_sum_us = latency_us_.sum();
  facts.latency_count = latency_us_.count();
  return facts;
}

}  // namespace tidemark::notify
