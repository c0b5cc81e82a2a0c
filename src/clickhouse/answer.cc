#include "clickhouse/answer.h"

#include "base/limits.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::clickhouse {
namespace {

constexpr std::string_view exception_start = "DB::Exception: ";
// Where older servers' bare exception text is looked for: the end of the body.
constexpr size_t tail_bytes = 4096;

// ClickHouse's error codes, by what a second try can do.
ErrorKind kind_of(int code) {
  switch (code) {
    case 158:  // TOO_MANY_ROWS
    case 159:  // TIMEOUT_EXCEEDED
    case 160:  // TOO_SLOW
    case 201:  // QUOTA_EXCEEDED
    case 241:  // MEMORY_LIMIT_EXCEEDED
    case 243:  // NOT_ENOUGH_SPACE
    case 307:  // TOO_MANY_BYTES
    case 396:  // TOO_MANY_ROWS_OR_BYTES
      return ErrorKind::limit;
    case 202:  // TOO_MANY_SIMULTANEOUS_QUERIES
    case 203:  // NO_FREE_CONNECTION
    case 209:  // SOCKET_TIMEOUT
    case 210:  // NETWORK_ERROR
    case 225:  // NO_ZOOKEEPER
    case 236:  // ABORTED
    case 242:  // TABLE_IS_READ_ONLY
    case 252:  // TOO_MANY_PARTS
    case 279:  // ALL_CONNECTION_TRIES_FAILED
    case 285:  // TOO_FEW_LIVE_REPLICAS
    case 473:  // DEADLOCK_AVOIDED
    case 745:  // SERVER_OVERLOADED
    case 999:  // KEEPER_EXCEPTION
      return ErrorKind::dependency_down;
    case 95:   // CANNOT_READ_FROM_SOCKET: of another server of the cluster
    case 96:   // CANNOT_WRITE_TO_SOCKET
    case 102:  // UNEXPECTED_PACKET_FROM_SERVER
    case 286:  // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    case 319:  // UNKNOWN_STATUS_OF_INSERT
    case 394:  // QUERY_WAS_CANCELLED: by a shutdown, or by a person; part of it may have happened
      return ErrorKind::unknown_outcome;
    default:
      return ErrorKind::refused;
  }
}

std::string remedy_of(int code) {
  switch (code) {
    case 516:
    case 192:
    case 193:
    case 194:
      return "check the warehouse's user and password";
    case 497:
      return "grant the right to this user, or use one that has it";
    case 241:
      return "give the server more memory, or make the query smaller";
    case 243:
      return "free disk space on the ClickHouse server";
    case 252:
      return "merges are behind: fewer, larger inserts or a faster disk";
    case 159:
      return "raise the time limit, or make the query smaller";
    default:
      return {};
  }
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n' || text.front() == '\r'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

}  // namespace

ServerException parse_exception(std::string_view body) {
  ServerException exception;
  std::string_view text = trim(body);
  if (text.starts_with("Code: ")) {
    std::string_view number = text.substr(6);
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), exception.code);
    if (error == std::errc()) text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.starts_with(". ")) text.remove_prefix(2);
  }
  if (text.starts_with(exception_start)) text.remove_prefix(exception_start.size());
  if (auto stack = text.find("Stack trace:"); stack != std::string_view::npos)
    text = trim(text.substr(0, stack));
  // Advice about ClickHouse Cloud and default installations that is not about this server.
  if (auto advice = text.find("\n\nIf you use ClickHouse Cloud"); advice != std::string_view::npos)
    text = trim(text.substr(0, advice));
  if (auto version = text.rfind(" (version "); version != std::string_view::npos)
    text = trim(text.substr(0, version));
  if (!text.empty() && text.back() == ')') {
    auto open = text.rfind(" (");
    std::string_view inside =
        open == std::string_view::npos ? std::string_view() : text.substr(open + 2, text.size() - open - 3);
    if (!inside.empty() &&
        inside.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string_view::npos) {
      exception.name = inside;
      text = trim(text.substr(0, open));
    }
  }
  while (!text.empty() && text.back() == '.') text.remove_suffix(1);
  exception.text = text;
  return exception;
}

Error error_of(const ServerException& exception) {
  std::string what = exception.code == 0
                         ? fmt::format("ClickHouse: {}", exception.text)
                         : fmt::format("ClickHouse error {}{}{}: {}", exception.code,
                                       exception.name.empty() ? "" : " ", exception.name, exception.text);
  ErrorKind kind = kind_of(exception.code);
  // ATTEMPT_TO_READ_AFTER_EOF is broken input, or another server of the cluster that went away.
  if (exception.code == 32 && exception.text.find("while receiving packet from") != std::string::npos)
    kind = ErrorKind::unknown_outcome;
  return Error(kind, std::move(what), remedy_of(exception.code));
}

void BodyGuard::set_tag(std::string_view tag) {
  marker_ = tag.empty() ? std::string() : fmt::format("\r\n__exception__\r\n{}", tag);
}

Status BodyGuard::feed(std::string_view bytes) {
  if (excepted_) {
    if (exception_.size() + bytes.size() <= limits::error_body_bytes_max) exception_.append(bytes);
    return {};
  }
  if (marker_.empty()) {
    tail_.append(bytes.substr(bytes.size() > tail_bytes ? bytes.size() - tail_bytes : 0));
    if (tail_.size() > tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
    return sink_(bytes);
  }
  // Fast path: nothing held back and no carriage return near the end.
  std::string joined;
  std::string_view data = bytes;
  if (!held_.empty()) {
    joined = std::move(held_);
    held_.clear();
    joined.append(bytes);
    data = joined;
  }
  if (auto at = data.find(marker_); at != std::string_view::npos) {
    excepted_ = true;
    exception_ = data.substr(at + marker_.size());
    return at == 0 ? Status() : sink_(data.substr(0, at));
  }
  // Hold back the longest end of the data that could be the beginning of the marker.
  size_t keep = std::min(data.size(), marker_.size() - 1);
  while (keep > 0 && !std::string_view(marker_).starts_with(data.substr(data.size() - keep))) --keep;
  held_ = data.substr(data.size() - keep);
  data.remove_suffix(keep);
  return data.empty() ? Status() : sink_(data);
}

Status BodyGuard::finish(bool complete) {
  if (excepted_) {
    std::string_view text = trim(exception_);
    // Cut the closing line "<length> <tag>" and what follows it.
    if (auto closing = text.rfind("\r\n__exception__"); closing != std::string_view::npos)
      text = text.substr(0, closing);
    if (auto line = text.rfind('\n'); line != std::string_view::npos) text = text.substr(0, line);
    return fail(error_of(parse_exception(text)));
  }
  if (!complete && marker_.empty()) {
    if (auto at = tail_.rfind("Code: ");
        at != std::string::npos && tail_.find(exception_start, at) != std::string::npos)
      return fail(error_of(parse_exception(std::string_view(tail_).substr(at))));
  }
  if (held_.empty() || !complete) return {};
  std::string rest = std::move(held_);
  held_.clear();
  return sink_(rest);
}

}  // namespace tidemark::clickhouse
