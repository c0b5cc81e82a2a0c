#include "cli/output.h"

#include <cerrno>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace tidemark::cli {
namespace {

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

bool print_out(std::string_view text) {
  return write_all(STDOUT_FILENO, text);
}

void print_err(std::string_view text) {
  write_all(STDERR_FILENO, text);
}

void print_error(const Error& error, bool json) {
  if (!json) {
    std::string text = "tidemark: " + error.describe();
    if (!text.ends_with('\n')) text += '\n';
    print_err(text);
    return;
  }
  std::string context;
  for (const std::string& where : error.context) context += (context.empty() ? "" : ",") + json_quoted(where);
  print_err(fmt::format("{{\"error\":{{\"kind\":{},\"message\":{},\"remedy\":{},\"context\":[{}]}}}}\n",
                        json_quoted(name(error.kind)), json_quoted(error.message), json_quoted(error.remedy),
                        context));
}

bool stdout_is_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}

bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

int terminal_width() {
  winsize size{};
  if (!stdout_is_terminal() || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::string counted(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string moment_text(int64_t at_us) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z",
                     std::chrono::sys_seconds(std::chrono::seconds(at_us / 1'000'000)));
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace tidemark::cli
