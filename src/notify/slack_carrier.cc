#include "notify/slack_carrier.h"

#include "base/clock.h"
#include "notify/notify_limits.h"

#include <boost/json.hpp>

namespace tidemark::notify {
namespace {

// Slack's three control characters.
std::string escaped(std::string_view text) {
  std::string out;
  for (char character : text) {
    if (character == '&')
      out += "&amp;";
    else if (character == '<')
      out += "&lt;";
    else if (character == '>')
      out += "&gt;";
    else
      out += character;
  }
  return out;
}

}  // namespace

SlackCarrier::SlackCarrier(SlackOptions options, const std::atomic<bool>& stop)
    : options_(std::move(options)),
      post_(options_.url.reveal(), options_.guard, limits::attempt_timeout, stop) {
  redaction_.add(options_.url.reveal());
}

Outcome SlackCarrier::carry(const std::vector<Notification>& notifications) {
  std::string text;
  for (const auto& notification : notifications) {
    if (!text.empty()) text += '\n';
    text += render(options_.text, notification, escaped);
  }
  PostAnswer answer = post_.post(boost::json::serialize(boost::json::object{{"text", text}}),
                                 {{"Content-Type", "application/json"}, {"User-Agent", "Tidemark"}});
  return outcome_of(answer, redaction_, system_clock().wall_micros() / 1'000'000);
}

}  // namespace tidemark::notify
