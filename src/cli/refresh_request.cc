#include "cli/refresh_request.h"

#include "base/clock.h"
#include "base/limits.h"
#include "http/client.h"

#include <boost/json.hpp>
#include <thread>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds answer_timeout{10};
constexpr std::chrono::milliseconds ask_again_every{50};

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
  return fail(answer.status == 404 ? ErrorKind::config : ErrorKind::refused, text("detail"), text("remedy"));
}

std::string url_of(const RunningInstance& running, const std::string& model) {
  return fmt::format("{}/api/models/{}/refresh", running.url, model);
}

uint64_t number(const json::object& object, const char* key) {
  const auto* member = object.if_contains(key);
  return member != nullptr && member->is_number() ? member->to_number<uint64_t>() : 0;
}

}  // namespace

Result<RefreshTicket> ask_refresh(const RunningInstance& running, const std::string& model) {
  auto answer = TRY(http::post(url_of(running, model), running.token, "", answer_timeout));
  return RefreshTicket{.model = model, .number = number(TRY(object_of(answer)), "asked")};
}

Result<RefreshAnswer> await_refresh(const RunningInstance& running, const RefreshTicket& ticket) {
  const std::string& model = ticket.model;
  int64_t deadline = system_clock().monotonic_micros() + limits::refresh_ms_max * 1000;
  while (system_clock().monotonic_micros() < deadline) {
    json::object facts =
        TRY(object_of(TRY(http::get(url_of(running, model), running.token, answer_timeout))));
    if (number(facts, "answered") >= ticket.number) {
      std::string error(facts.at("answer_error").as_string());
      if (!error.empty())
        return fail(ErrorKind::refused, fmt::format("{} could not be refreshed: {}", model, error),
                    "its last result stays, and it is tried again");
      return RefreshAnswer{.model = model,
                           .rows = number(facts, "rows"),
                           .bytes = number(facts, "bytes"),
                           .as_of_micros = static_cast<int64_t>(number(facts, "as_of_ms")) * 1000};
    }
    std::this_thread::sleep_for(ask_again_every);
  }
  return fail(ErrorKind::limit, model + " was not refreshed in time",
              "tidemark status says what it waits for");
}

}  // namespace tidemark::cli
