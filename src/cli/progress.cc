#include "cli/progress.h"

#include "cli/output.h"

#include <fmt/format.h>

namespace tidemark::cli {
namespace {

constexpr int64_t redraw_micros = 100'000;
constexpr int64_t line_micros = 5'000'000;
constexpr size_t bar_places = 24;

}  // namespace

std::string with_commas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string short_number(double number) {
  static constexpr const char* units[] = {"", " k", " M", " G"};
  size_t unit = 0;
  while (number >= 999.5 && unit < 3) {
    number /= 1000;
    ++unit;
  }
  return unit > 0 && number < 9.95 ? fmt::format("{:.1f}{}", number, units[unit])
                                   : fmt::format("{:.0f}{}", number, units[unit]);
}

std::string short_duration(uint64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

Progress::Progress(std::string title, std::string unit, uint64_t total, Mode mode, const Clock& clock)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      mode_(mode),
      clock_(clock),
      started_(clock.monotonic_micros()),
      drawn_(mode == Mode::lines ? started_ : started_ - redraw_micros) {}

Progress::Mode Progress::mode_for(bool json) {
  return json ? Mode::silent : stderr_is_terminal() ? Mode::terminal : Mode::lines;
}

void Progress::set(uint64_t done) {
  done_ = done;
  int64_t pause = mode_ == Mode::terminal ? redraw_micros : line_micros;
  if (mode_ == Mode::silent || clock_.monotonic_micros() - drawn_ < pause) return;
  draw(false);
}

void Progress::finish() {
  if (std::exchange(finished_, true) || mode_ == Mode::silent) return;
  if (mode_ == Mode::terminal) {
    if (shown_) print_err("\r\x1b[K");
    return;
  }
  draw(true);
}

std::string Progress::line() const {
  double seconds = static_cast<double>(clock_.monotonic_micros() - started_) / 1e6;
  double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string text = title_;
  if (total_ > 0) {
    // an estimate may be passed: the bar stays full and the last percent is kept for the end
    double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    auto filled = static_cast<size_t>(share * bar_places);
    if (mode_ == Mode::terminal)
      text += "  [" + std::string(filled, '#') + std::string(bar_places - filled, ' ') + "]";
    text += fmt::format("  {} %", static_cast<int>(share * 100));
  }
  text += fmt::format("  {} {}  {}/s", with_commas(done_), unit_, short_number(rate));
  if (total_ > done_ && rate > 0)
    text += fmt::format(
        "  {} left", short_duration(static_cast<uint64_t>(static_cast<double>(total_ - done_) / rate) + 1));
  return text;
}

void Progress::draw(bool last) {
  drawn_ = clock_.monotonic_micros();
  shown_ = true;
  print_err(mode_ == Mode::terminal && !last ? "\r" + line() + "\x1b[K" : line() + "\n");
}

}  // namespace tidemark::cli
