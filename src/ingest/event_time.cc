#include "ingest/event_time.h"

#include "kafka/encoded_text.h"

#include <cmath>
#include <string>

namespace tidemark::ingest {
namespace {

constexpr int scale = 6;
constexpr double micros_a_second = 1e6;
// Larger numbers are milliseconds: as seconds they would be in the year 5138, as milliseconds in 1973.
constexpr double seconds_max = 1e11;

}  // namespace

bool is_event_time(int64_t micros) {
  return kafka::check_ticks(micros, scale) == nullptr;
}

std::optional<int64_t> parse_event_time(std::string_view text) {
  int64_t micros = 0;
  if (text.find('T') == std::string_view::npos && text.find(' ') == std::string_view::npos) {
    int64_t days = 0;
    if (kafka::parse_date(text, days) != nullptr || kafka::check_days(days) != nullptr) return std::nullopt;
    return days * 86'400'000'000;
  }
  std::string shortened;
  if (size_t point = text.find('.'); point != std::string_view::npos) {
    size_t end = point + 1;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    if (end - point - 1 > scale) {
      shortened = std::string(text.substr(0, point + 1 + scale)) + std::string(text.substr(end));
      text = shortened;
    }
  }
  if (kafka::parse_timestamp(text, scale, micros) != nullptr || !is_event_time(micros)) return std::nullopt;
  return micros;
}

std::optional<int64_t> event_time_of_number(double number) {
  if (!std::isfinite(number)) return std::nullopt;
  double micros = std::abs(number) < seconds_max ? number * micros_a_second : number * 1'000;
  if (std::abs(micros) > 9e18) return std::nullopt;
  auto whole = static_cast<int64_t>(std::llround(micros));
  return is_event_time(whole) ? std::optional(whole) : std::nullopt;
}

}  // namespace tidemark::ingest
