// What every connector to somebody else's API works with: it asks with patience, lands what it got, and
// remembers how far it is.
//
// Once. Rows and progress go into the source's spool in this order: the rows of a page, then the place behind
// it. Both are tables of one source, taken from the spool in order and fenced together, so the warehouse
// never has a place without the rows before it. A kill in between means that a page is asked for again: a row
// is known by what it is about and its content (message_id), so one that is there already changes nothing.
//
// Patience. 429, 5xx and silence are waited for: as long as Retry-After says, else longer each time, at most
// limits::pull_tries in a row; what an API counts in its own way, a connector waits for with wait(). All
// waits end when the source is told to stop, and are shown in its status.
//
// The token is in no message: ask() takes it out of what it quotes. Threads: one, except status().
#pragma once

#include "base/clock.h"
#include "config/webhook_source.h"
#include "http/fetch.h"
#include "ingest/event_door.h"

#include <condition_variable>
#include <functional>
#include <mutex>

namespace tidemark::ingest {

struct PulledRow {
  std::string topic;  // as a webhook's: what models tell rows apart by
  std::string body;
  int64_t at = 0;  // when the object changed, microseconds
};

struct PulledPage {
  std::vector<PulledRow> rows;
  std::vector<std::string> reports;                          // lines of the table of reports
  std::vector<std::pair<std::string, std::string>> refused;  // why, and what
};

// Where a pass over a stream is.
struct PassPlace {
  int64_t since = 0;    // what changed from then on is asked for; 0: everything
  int64_t begun = 0;    // when, by the API's clock: what the watermark becomes
  std::string next;     // the page to ask for; empty: the first
  uint64_t part = 0;    // of a stream that is asked for in parts
  std::string bulk;     // the operation that is awaited
  uint64_t failed = 0;  // operations that ended without a result

  std::string json() const;
  static PassPlace read(std::string_view json);
};

struct StreamProgress {
  std::string stream;
  int64_t watermark = 0;           // 0: no pass ended yet
  std::optional<PassPlace> place;  // of the pass under way
  uint64_t passes = 0, pages = 0, rows = 0, refused = 0;

  // The pass is over: everything that changed until it began is here.
  void end_pass();
};

class PullDesk {
 public:
  PullDesk(const config::EventSource& source, const config::PullSettings& settings,
           std::shared_ptr<EventDoor> door, const Clock& clock, const std::atomic<bool>& stop);

  const config::PullSettings& settings() const { return settings_; }
  const Clock& clock() const { return clock_; }
  // A directory for what is too large for memory; it is empty when nothing is under way.
  std::filesystem::path scratch() const { return source_.spool.string() + ".pull"; }

  // An answer that is neither 429 nor 5xx. `pause`: of a 429 without Retry-After; microseconds.
  using Pause = std::function<std::optional<int64_t>(const http::FetchAnswer&)>;
  Result<http::FetchAnswer> ask(const http::FetchRequest& request, const Pause& pause = {});
  Result<http::FetchAnswer> download(const http::FetchRequest& request, const std::filesystem::path& file);
  // False: told to stop. `why`: what people see. Counted as a limit when `throttled`.
  bool wait(int64_t micros, std::string why, bool throttled);
  void wake();

  // On disk, with the place behind it; counts it in `progress`.
  Status land(const PulledPage& page, StreamProgress& progress);
  // The begin of a pass: everything that changed since the last one, and a little before.
  PassPlace first_place(const StreamProgress& progress) const;
  // Microseconds of the API's clock, as an answer tells it.
  int64_t moment_of(const http::FetchAnswer& answer) const;

  // A text of theirs for a message: short, on one line, without the token.
  std::string excerpt(std::string_view text) const;
  // What an answer that is none means: `remedy` of 401 and 403.
  Error refusal(const http::FetchAnswer& answer, std::string_view what, std::string_view remedy) const;

  void tell(const std::function<void(PullStatus&)>& change);
  void show(const StreamProgress& progress, std::string error = {});
  PullStatus status() const;

 private:
  Status put(const EventRecordWriter& record);

  const config::EventSource& source_;
  const config::PullSettings& settings_;
  const std::shared_ptr<EventDoor> door_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  http::Fetcher fetcher_;
  mutable std::mutex mutex_;
  std::condition_variable woken_;
  PullStatus status_;
};

}  // namespace tidemark::ingest
