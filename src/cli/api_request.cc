#include "cli/api_request.h"

#include "cli/running_instance.h"
#include "http/client.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds answer_timeout{10};
// A test waits for the receiver; a replay marks what may be millions of rows.
constexpr std::chrono::seconds action_timeout{120};

Result<json::object> object_of(const http::Answer& answer) {
  boost::system::error_code error;
  auto value = json::parse(answer.body, error);
  if (error || !value.is_object())
    return fail(ErrorKind::corrupt,
                fmt::format("the running instance answered {} without JSON", answer.status));
  const auto& object = value.as_object();
  if (answer.status < 300) return object;
  auto text = [&](const char* key) {
    const auto* member = object.if_contains(key);
    return member != nullptr && member->is_string() ? std::string(member->as_string()) : std::string();
  };
  ErrorKind kind = answer.status == 404   ? ErrorKind::config
                   : answer.status == 409 ? ErrorKind::conflict
                   : answer.status == 503 ? ErrorKind::dependency_down
                   : answer.status == 400 ? ErrorKind::usage
                                          : ErrorKind::refused;
  return fail(kind, text("detail"), text("remedy"));
}

}  // namespace

Result<json::object> ask_api(const std::filesystem::path& project_directory, const std::string& path) {
  auto running = TRY(running_instance(project_directory));
  return object_of(TRY(http::get(running.url + path, running.token, answer_timeout)));
}

Result<json::object> tell_api(const std::filesystem::path& project_directory, const std::string& path,
                              const std::string& body) {
  auto running = TRY(running_instance(project_directory));
  return object_of(TRY(http::post(running.url + path, running.token, body, action_timeout)));
}

}  // namespace tidemark::cli
