#include "cli/online_request.h"

#include "cli/output.h"
#include "cli/progress.h"
#include "http/client.h"

#include <boost/json.hpp>
#include <memory>
#include <thread>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds answer_timeout{10};
constexpr std::chrono::milliseconds ask_again_every{100};

std::string text(const json::object& object, const char* key) {
  const auto* member = object.if_contains(key);
  return member != nullptr && member->is_string() ? std::string(member->as_string()) : std::string();
}

uint64_t number(const json::object& object, const char* key) {
  const auto* member = object.if_contains(key);
  return member != nullptr && member->is_number() ? member->to_number<uint64_t>() : 0;
}

Result<json::object> object_of(const http::Answer& answer) {
  boost::system::error_code error;
  auto value = json::parse(answer.body, error);
  if (error || !value.is_object())
    return fail(ErrorKind::corrupt,
                fmt::format("the running instance answered {} without JSON", answer.status));
  const auto& object = value.as_object();
  if (answer.status < 300) return object;
  return fail(answer.status == 409 ? ErrorKind::conflict : ErrorKind::refused, text(object, "detail"),
              text(object, "remedy"));
}

// Shows each phase once, and a bar while rows are read.
class Display {
 public:
  explicit Display(bool json) : json_(json) {}
  void show(const json::object& state) {
    std::string phase = text(state, "phase"), what = phase + " " + text(state, "model");
    if (phase.empty() || json_) return;
    if (what != shown_) {
      bar_.reset();
      shown_ = what;
      if (phase == "backfill")
        bar_ = std::make_unique<Progress>(what, "rows", number(state, "rows"), Progress::mode_for(json_));
      else
        print_err(fmt::format("[{}/{}] {}\n", number(state, "step"), number(state, "steps"), what));
    }
    if (bar_) bar_->set(number(state, "rows_done"));
  }

 private:
  bool json_;
  std::string shown_;
  std::unique_ptr<Progress> bar_;
};

}  // namespace

Result<DeployAnswer> request_deployment(const RunningInstance& running, const DeployRequest& request,
                                        bool quiet) {
  std::string url = running.url + "/api/deployment";
  json::object begun = TRY(object_of(TRY(http::post(url, running.token, request.to_json(), answer_timeout))));
  uint64_t deployment = number(begun, "deployment");
  Display display(quiet);
  while (true) {
    auto answer = http::get(url, running.token, answer_timeout);
    if (!answer)
      return fail(ErrorKind::dependency_down, "the running project went away before the deployment was done",
                  "it goes on when the project is started again: tidemark up");
    json::object state = TRY(object_of(*answer));
    if (number(state, "deployment") != deployment)
      return fail(ErrorKind::conflict, "another deployment has begun since",
                  "tidemark plan says what is left");
    display.show(state);
    std::string now = text(state, "state");
    if (now == "done") return DeployAnswer{text(state, "plan_text"), json::serialize(state.at("plan"))};
    if (now == "failed") {
      const auto& error = state.at("error").as_object();
      Error failure(static_cast<ErrorKind>(number(error, "number")), text(error, "message"),
                    text(error, "remedy"));
      for (const auto& where : error.at("context").as_array())
        failure.context.emplace_back(where.as_string());
      return fail(std::move(failure));
    }
    std::this_thread::sleep_for(ask_again_every);
  }
}

}  // namespace tidemark::cli
