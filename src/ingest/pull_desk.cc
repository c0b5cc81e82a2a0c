#include "ingest/pull_desk.h"

#include "base/log.h"
#include "ingest/content_hash.h"
#include "ingest/event_time.h"
#include "ingest/pull_connector.h"
#include "ingest/pull_limits.h"
#include "ingest/spool_limits.h"

#include <boost/json.hpp>
#include <charconv>
#include <ctime>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

std::string utc_text(int64_t micros, const char* form) {
  time_t seconds = static_cast<time_t>(micros / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, form, &parts));
}

// Seconds, or a date; nothing: it says neither.
std::optional<int64_t> retry_after_micros(std::string_view text, int64_t now) {
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (!(seconds >= 0) || seconds > 1e6) return std::nullopt;
    return static_cast<int64_t>(seconds * 1e6);
  }
  int64_t date = http::http_date_micros(text);
  return date == 0 ? std::nullopt : std::optional(std::max<int64_t>(date - now, 0));
}

// Told by the spool's writer.
struct Landing {
  std::mutex mutex;
  std::condition_variable told;
  std::optional<Status> outcome;
};

uint64_t number_of(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_number() ? value->to_number<uint64_t>() : 0;
}

}  // namespace

std::string api_time(int64_t micros) {
  return utc_text(micros, "%Y-%m-%dT%H:%M:%SZ");
}

std::string api_day(int64_t micros) {
  return utc_text(micros, "%Y-%m-%d");
}

std::string PassPlace::json() const {
  return json::serialize(json::object{{"since", since},
                                      {"begun", begun},
                                      {"next", next},
                                      {"part", part},
                                      {"bulk", bulk},
                                      {"failed", failed}});
}

PassPlace PassPlace::read(std::string_view text) {
  PassPlace place;
  json::error_code bad;
  json::value value = json::parse(json::string_view(text.data(), text.size()), bad);
  if (bad || !value.is_object()) return place;
  const auto& object = value.as_object();
  place.since = static_cast<int64_t>(number_of(object, "since"));
  place.begun = static_cast<int64_t>(number_of(object, "begun"));
  place.part = number_of(object, "part");
  place.failed = number_of(object, "failed");
  if (const auto* next = object.if_contains("next"); next != nullptr && next->is_string())
    place.next = std::string(next->as_string());
  if (const auto* bulk = object.if_contains("bulk"); bulk != nullptr && bulk->is_string())
    place.bulk = std::string(bulk->as_string());
  return place;
}

void StreamProgress::end_pass() {
  watermark = std::max(watermark, place ? place->begun : 0);
  place.reset();
  ++passes;
}

PullDesk::PullDesk(const config::EventSource& source, const config::PullSettings& settings,
                   std::shared_ptr<EventDoor> door, const Clock& clock, const std::atomic<bool>& stop)
    : source_(source),
      settings_(settings),
      door_(std::move(door)),
      clock_(clock),
      stop_(stop),
      fetcher_(stop) {
  status_.from = config::name(settings.from);
  status_.state = settings.token.empty() ? "off" : "starting";
  for (const auto& stream : settings.streams) status_.streams.push_back({.stream = stream});
}

void PullDesk::tell(const std::function<void(PullStatus&)>& change) {
  std::lock_guard lock(mutex_);
  change(status_);
}

PullStatus PullDesk::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

void PullDesk::show(const StreamProgress& progress, std::string error) {
  tell([&](PullStatus& status) {
    for (auto& shown : status.streams) {
      if (shown.stream != progress.stream) continue;
      shown.watermark_micros = progress.watermark;
      shown.under_way = progress.place.has_value();
      shown.passes = progress.passes;
      shown.pages = progress.pages;
      shown.rows = progress.rows;
      shown.refused = progress.refused;
      shown.error = std::move(error);
    }
  });
}

void PullDesk::wake() {
  std::lock_guard lock(mutex_);
  woken_.notify_all();
}

bool PullDesk::wait(int64_t micros, std::string why, bool throttled) {
  std::unique_lock lock(mutex_);
  status_.waiting_until_micros = clock_.wall_micros() + micros;
  status_.waiting_for = std::move(why);
  if (throttled) ++status_.throttled;
  std::string before = std::exchange(status_.state, throttled ? "waiting" : status_.state);
  woken_.wait_for(lock, std::chrono::microseconds(micros), [&] { return stop_.load(); });
  status_.state = std::move(before);
  status_.waiting_until_micros = 0;
  status_.waiting_for.clear();
  return !stop_;
}

std::string PullDesk::excerpt(std::string_view text) const {
  std::string short_text(text.substr(0, 4 * limits::pull_excerpt_bytes));
  if (const std::string& token = settings_.token.reveal(); !token.empty())
    for (size_t at = 0; (at = short_text.find(token, at)) != std::string::npos;)
      short_text.replace(at, token.size(), "***");
  for (char& letter : short_text)
    if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
  short_text.resize(std::min(short_text.size(), limits::pull_excerpt_bytes));
  return short_text;
}

Error PullDesk::refusal(const http::FetchAnswer& answer, std::string_view what,
                        std::string_view remedy) const {
  std::string text = excerpt(answer.body);
  bool known = answer.status == 401 || answer.status == 403;
  return Error(ErrorKind::refused,
               fmt::format("{} answers {} to {}{}{}", settings_.url, answer.status, what,
                           text.empty() ? "" : ": ", text),
               known ? std::string(remedy) : "");
}

Result<http::FetchAnswer> PullDesk::ask(const http::FetchRequest& request, const Pause& pause) {
  int64_t backoff = limits::pull_pause_first_us;
  for (int tries = 1;; ++tries) {
    tell([](PullStatus& status) { ++status.requests; });
    auto answer = fetcher_.fetch(request);
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    if (!answer && answer.error().kind != ErrorKind::dependency_down) return answer;
    bool limited = answer && answer->status == 429;
    if (answer && !limited && answer->status < 500) return answer;
    std::optional<int64_t> asked;
    if (answer) asked = retry_after_micros(answer->header("retry-after"), clock_.wall_micros());
    if (limited && !asked && pause) asked = pause(*answer);
    if (asked && *asked > limits::pull_wait_max_us)
      return fail(ErrorKind::limit,
                  fmt::format("{} wants to be left alone for {} s", settings_.url, *asked / 1'000'000),
                  "the next pass asks again");
    // Whoever says when to come again is not failing.
    if (tries >= limits::pull_tries && !(limited && asked)) {
      if (!answer) return answer;
      if (limited)
        return fail(ErrorKind::limit, fmt::format("{} answers 429 again and again", settings_.url),
                    "ask less often: `every`");
      return fail(ErrorKind::dependency_down,
                  fmt::format("{} answers {}: {}", settings_.url, answer->status, excerpt(answer->body)));
    }
    std::string why = !answer   ? "no answer"
                      : limited ? "a limit (429)"
                                : fmt::format("an answer of {}", answer->status);
    if (!wait(asked.value_or(backoff), std::move(why), limited)) return fail(ErrorKind::cancelled, "stopped");
    backoff = std::min(2 * backoff, limits::pull_pause_max_us);
  }
}

Result<http::FetchAnswer> PullDesk::download(const http::FetchRequest& request,
                                             const std::filesystem::path& file) {
  tell([](PullStatus& status) { ++status.requests; });
  return fetcher_.download(request, file);
}

// Waits for room in the spool, then for the disk.
Status PullDesk::put(const EventRecordWriter& record) {
  for (;;) {
    auto landing = std::make_shared<Landing>();
    auto taken = door_->take(record,
                             *std::find_if(source_.write_keys.begin(), source_.write_keys.end(),
                                           [](const auto& key) { return key.name == "pull"; }),
                             [landing](const Status& written) {
                               std::lock_guard lock(landing->mutex);
                               landing->outcome = written;
                               landing->told.notify_all();
                             });
    if (taken) {
      std::unique_lock lock(landing->mutex);
      landing->told.wait(lock, [&] { return landing->outcome.has_value(); });
      taken = *landing->outcome;
    }
    if (taken || taken.error().kind != ErrorKind::limit) return taken;
    if (!wait(limits::pull_pause_first_us, "room in the spool", false))
      return fail(ErrorKind::cancelled, "stopped");
  }
}

Status PullDesk::land(const PulledPage& page, StreamProgress& progress) {
  const int64_t now = clock_.wall_micros();
  const std::string reports_table = config::PullSettings::reports_table(source_.name);
  std::optional<EventRecordWriter> record;
  size_t bytes = 0;
  uint64_t refused = page.refused.size();
  auto open = [&](size_t more, std::string_view table = {}) -> Status {
    if (record && bytes + more > limits::pull_record_bytes) {
      TRY_VOID(put(*record));
      record.reset();
    }
    if (!record) {
      record.emplace(now, "pull", table);
      bytes = 0;
    }
    bytes += more;
    return {};
  };
  auto refuse = [&](std::string_view why, std::string_view what) -> Status {
    std::string_view kept = what.substr(0, limits::event_quarantine_bytes_max);
    TRY_VOID(open(kept.size()));
    record->refuse(why, kept);
    return {};
  };
  for (const PulledRow& row : page.rows) {
    if (row.body.size() > limits::pull_row_bytes_max) {
      ++refused;
      TRY_VOID(refuse(fmt::format("{} has {} bytes, and {} are taken", row.topic, row.body.size(),
                                  limits::pull_row_bytes_max),
                      row.body));
      continue;
    }
    TRY_VOID(open(row.body.size()));
    std::string id = "pull-" + content_hash_of({settings_.group, row.topic, row.body});
    EventRow event;
    event[EventText::message_id] = id;
    event[EventText::type] = "pull";
    event[EventText::event] = row.topic;
    event[EventText::group_id] = settings_.group;
    event[EventText::properties] = row.body;
    event.timestamp = row.at == 0 ? now : row.at;
    if (row.at != 0) event.original_timestamp = row.at;
    record->add(event);
  }
  for (const auto& [why, what] : page.refused) TRY_VOID(refuse(why, what));
  if (record) TRY_VOID(put(*record));
  record.reset();
  for (const auto& line : page.reports) {
    TRY_VOID(open(line.size(), reports_table));
    record->add_line(line);
  }
  if (record) TRY_VOID(put(*record));
  progress.rows += page.rows.size() + page.reports.size() - (refused - page.refused.size());
  progress.refused += refused;
  json::object line{{"stream", progress.stream},
                    {"watermark", nullptr},
                    {"place", progress.place ? progress.place->json() : ""},
                    {"passes", progress.passes},
                    {"pages", progress.pages},
                    {"rows", progress.rows},
                    {"refused", progress.refused}};
  if (progress.watermark != 0) line["watermark"] = progress.watermark;
  EventRecordWriter place(now, "pull", config::PullSettings::progress_table(source_.name));
  place.add_line(json::serialize(line));
  TRY_VOID(put(place));
  show(progress);
  return {};
}

PassPlace PullDesk::first_place(const StreamProgress& progress) const {
  PassPlace place;
  if (progress.watermark != 0) {
    place.since = std::max<int64_t>(progress.watermark - settings_.overlap_s * 1'000'000, 1'000'000);
  } else if (!settings_.since.empty()) {
    place.since = parse_event_time(settings_.since).value_or(0);
  }
  return place;
}

int64_t PullDesk::moment_of(const http::FetchAnswer& answer) const {
  int64_t told = http::http_date_micros(answer.header("date"));
  return told == 0 ? clock_.wall_micros() : told;
}

}  // namespace tidemark::ingest
