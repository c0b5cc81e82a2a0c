// Requests, responses and events as values; the wire is in server.cc.
#include "http/server.h"
#include "http/status_text.h"

#include <fmt/format.h>

namespace tidemark::http {

namespace {

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char character : text) {
    switch (character) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(character) < 0x20)
          quoted += fmt::format("\\u{:04x}", static_cast<unsigned char>(character));
        else
          quoted += character;
    }
  }
  return quoted + '"';
}

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
    case ErrorKind::config:
      return 400;
    case ErrorKind::refused:
    case ErrorKind::unsupported:
      return 422;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::limit:
      return 413;
    case ErrorKind::dependency_down:
    case ErrorKind::cancelled:
      return 503;
    case ErrorKind::unknown_outcome:
      return 504;
    default:
      return 500;
  }
}

}  // namespace

std::string_view status_text(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

Response Response::json(std::string body, int status) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  response.body = std::move(body);
  return response;
}

Response Response::text(std::string body, std::string content_type) {
  Response response;
  response.headers = {{"Content-Type", std::move(content_type)}, {"Cache-Control", "no-store"}};
  response.body = std::move(body);
  return response;
}

Response Response::problem(int status, std::string_view title, std::string_view detail,
                           std::string_view remedy) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}};
  response.body = fmt::format(R"({{"type":"about:blank","title":{},"status":{},"detail":{})",
                              json_string(title), status, json_string(detail));
  if (!remedy.empty()) response.body += ",\"remedy\":" + json_string(remedy);
  response.body += "}\n";
  return response;
}

Response Response::problem(const Error& error) {
  std::string detail;
  for (auto where = error.context.rbegin(); where != error.context.rend(); ++where) detail += *where + ": ";
  detail += error.message;
  return problem(status_of(error.kind), name(error.kind), detail, error.remedy);
}

Event::Event(std::string_view name, std::string_view id, std::string_view data) {
  std::string bytes;
  bytes.reserve(data.size() + name.size() + id.size() + 32);
  if (!name.empty()) bytes.append("event: ").append(name).append("\n");
  if (!id.empty()) bytes.append("id: ").append(id).append("\n");
  // A line break inside the data would end the field: each line is a field of its own.
  while (true) {
    const size_t end = data.find('\n');
    std::string_view line = data.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    bytes.append("data: ").append(line).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  bytes.append("\n");
  bytes_ = std::make_shared<const std::string>(std::move(bytes));
}

Event Event::joined(const std::vector<Event>& events) {
  std::string bytes;
  for (const auto& event : events) bytes += *event.bytes();
  Event all;
  all.bytes_ = std::make_shared<const std::string>(std::move(bytes));
  return all;
}

}  // namespace tidemark::http
