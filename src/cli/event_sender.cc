#include "cli/event_sender.h"

#include "base/clock.h"
#include "http/client.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <thread>

namespace tidemark::cli {

namespace {

// A door takes 500 KB; an event of a generator has some 400 bytes.
constexpr size_t batch_events = 400;
constexpr std::chrono::seconds answer_timeout{20};
constexpr std::chrono::milliseconds again_after{100};
// A project that is killed and started again is there by then.
constexpr int64_t patience_us = 60'000'000;

}  // namespace

Status EventSender::send(const std::vector<std::string>& events, const std::atomic<bool>& stop) {
  if (events.empty()) return {};
  if (url_.empty())
    return fail(ErrorKind::usage, "there is no project to send events to",
                "start it with: tidemark up; or give --events http://127.0.0.1:8088");
  for (size_t from = 0; from < events.size() && !stop; from += batch_events) {
    auto begin = events.begin() + static_cast<std::ptrdiff_t>(from);
    auto end = begin + static_cast<std::ptrdiff_t>(std::min(batch_events, events.size() - from));
    TRY_VOID(send_batch(fmt::format("{{\"batch\":[{}]}}", fmt::join(begin, end, ",")), stop));
  }
  return {};
}

Status EventSender::send_batch(const std::string& body, const std::atomic<bool>& stop) {
  int64_t deadline = system_clock().monotonic_micros() + patience_us;
  while (!stop) {
    auto answer = http::post(url_ + "/v1/batch", write_key_.reveal(), body, answer_timeout);
    if (answer && answer->status == 401)
      return fail(ErrorKind::refused, fmt::format("{} does not know the write key", url_),
                  "it is a key of the project's events source: give --write-key");
    bool later = !answer || answer->status == 429 || answer->status == 503;
    if (!later) {
      boost::system::error_code error;
      auto told = boost::json::parse(answer->body, error);
      bool all = !error && told.is_object() && !told.as_object().contains("rejected");
      if (answer->status == 200 && all) return {};
      return fail(ErrorKind::refused,
                  fmt::format("events are refused ({}): {}", answer->status, answer->body));
    }
    if (system_clock().monotonic_micros() > deadline)
      return answer ? fail(ErrorKind::dependency_down,
                           fmt::format("{} has taken no events for a minute: {}", url_, answer->body))
                    : fail(std::move(answer.error()));
    std::this_thread::sleep_for(again_after);
  }
  return {};
}

}  // namespace tidemark::cli
