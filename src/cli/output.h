// The program's two streams. stdout carries data, and only data; stderr carries everything else. Errors are
// printed here and nowhere else: a sentence and its remedy for people, {"error": {kind, message, remedy,
// context}} with --json.
#pragma once

#include "base/error.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace tidemark::cli {

// The whole text, however the kernel takes it. False when nobody reads any more.
bool print_out(std::string_view text);
void print_err(std::string_view text);

void print_error(const Error& error, bool json);

bool stdout_is_terminal();
bool stderr_is_terminal();
// Columns of the terminal on stdout; 0 when it is none or does not say.
int terminal_width();

// "1 error", "3 errors"
std::string counted(size_t count, std::string_view noun);
// "2026-05-03T10:00:00Z" of microseconds since 1970.
std::string moment_text(int64_t at_us);
// The text as a JSON string, quotes included.
std::string json_quoted(std::string_view text);

}  // namespace tidemark::cli
