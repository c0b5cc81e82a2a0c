// Long work shows that it moves. On a terminal: one line redrawn in place, with a bar, the rate and the time
// left. Not on a terminal: a line at most every five seconds, and a last one. With --json: nothing. All to
// stderr.
//
// One thread. The line is cleared by finish() or the destructor, so that what is printed next stands alone.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <string>

namespace tidemark::cli {

class Progress {
 public:
  enum class Mode { terminal, lines, silent };

  // `unit`: "rows". A total of 0 is unknown: no bar, no time left.
  Progress(std::string title, std::string unit, uint64_t total, Mode mode,
           const Clock& clock = system_clock());
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { finish(); }

  static Mode mode_for(bool json);

  // Cheap: draws ten times a second at most.
  void set(uint64_t done);
  void set_total(uint64_t total) { total_ = total; }
  void finish();

  // The line without its ending: "copying impressions  [####    ]  42 %  1,234,567 rows  310 k/s  12 s left"
  std::string line() const;

 private:
  void draw(bool last);

  std::string title_;
  std::string unit_;
  uint64_t total_;
  Mode mode_;
  const Clock& clock_;
  int64_t started_;
  int64_t drawn_ = 0;
  uint64_t done_ = 0;
  bool finished_ = false;
  bool shown_ = false;
};

std::string with_commas(uint64_t number);      // "1,234,567"
std::string short_number(double number);       // "310 k", "1.2 M"
std::string short_duration(uint64_t seconds);  // "12 s", "3 min 20 s", "2 h 5 min"

}  // namespace tidemark::cli
