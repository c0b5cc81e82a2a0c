// The log: one line a fact, to stderr, `time level message`; JSON lines when asked. Levels: debug (for
// whoever works on Tidemark), info (state changes a user cares about), warn (something will need attention),
// error (something needs it now). Thread-safe.
#pragma once

#include <fmt/format.h>
#include <string_view>
#include <utility>

namespace tidemark::log {

enum class Level { debug, info, warn, error };

struct Options {
  Level level = Level::info;
  bool json = false;
};

void configure(const Options& options);
bool enabled(Level level);
void write(Level level, std::string_view message);

template <class... Arguments>
void debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
void info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
void error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace tidemark::log
