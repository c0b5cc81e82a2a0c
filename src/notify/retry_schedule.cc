#include "notify/retry_schedule.h"

#include "notify/notify_limits.h"

#include <algorithm>
#include <charconv>
#include <curl/curl.h>
#include <string>

namespace tidemark::notify {

std::optional<int64_t> retry_pause_us(uint32_t attempts, double random) {
  if (attempts == 0 || attempts > limits::retry_pauses_s.size()) return std::nullopt;
  const double seconds = static_cast<double>(limits::retry_pauses_s[attempts - 1]);
  return static_cast<int64_t>(seconds * (1 + limits::retry_jitter * random) * 1e6);
}

std::optional<int64_t> parse_retry_after(std::string_view text, int64_t now_s) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r' || text.back() == '\n'))
    text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) {
    time_t date = curl_getdate(std::string(text).c_str(), nullptr);
    if (date < 0) return std::nullopt;
    seconds = static_cast<int64_t>(date) - now_s;
  } else if (error == std::errc::result_out_of_range) {
    seconds = limits::retry_after_s_max;
  }
  return std::clamp<int64_t>(seconds, 0, limits::retry_after_s_max);
}

}  // namespace tidemark::notify
