// What people do. The rows it leaves: cdp_rows.cc.
#include "cli/cdp_generator.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t hour_micros = 3600 * second_micros;
constexpr double late_share = 0.03;      // events that arrive up to six hours after they happened
constexpr double repeated_share = 0.01;  // sent twice
constexpr double known_share = 0.6;      // visits of customers
constexpr double logged_in_share = 0.7;  // of these; the others are known by their browser alone
constexpr double kiosk_share = 0.003;    // visits at a device that everybody uses
constexpr uint64_t kiosks = 5;
constexpr double app_share = 0.4;  // visits of customers with the app that use it
// What a visit brings, on average.
constexpr double events_a_visit = 4.3;

std::string moment(int64_t micros) {
  std::time_t seconds = micros / second_micros;
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, micros % second_micros / 1000);
}

std::string about(const CdpProduct& product) {
  return fmt::format("\"product_id\":{},\"category\":\"{}\",\"amount\":{}.{:02}", product.id,
                     product.category, product.cents / 100, product.cents % 100);
}

std::string track(const char* event, const std::string& properties) {
  return fmt::format("\"event\":\"{}\",\"properties\":{{{}}}", event, properties);
}

}  // namespace

// `fields`: of the event beside who, when and its id.
void CdpGenerator::say(const Visitor& visitor, int64_t at_micros, const std::string& type,
                       const std::string& fields, Happening happening) {
  std::string who = visitor.user.empty() ? "" : fmt::format("\"userId\":\"{}\",", visitor.user);
  if (!visitor.anonymous.empty()) who += fmt::format("\"anonymousId\":\"{}\",", visitor.anonymous);
  std::string device =
      visitor.device.empty() ? "" : fmt::format(",\"device\":{{\"id\":\"{}\"}}", visitor.device);
  happening.event = fmt::format(
      "{{\"type\":\"{}\",\"messageId\":\"m{:016x}\",{}\"timestamp\":\"{}\",\"context\":{{\"library\":{{"
      "\"name\":"
      "\"generator\",\"version\":\"1\"}}{}}},{}}}",
      type, random_.next(), who, moment(at_micros), device, fields);
  bool row = happening.customer || happening.order;
  int64_t sent =
      !row && random_.chance(late_share) ? at_micros + random_.between(0, 6 * hour_micros) : at_micros;
  if (random_.chance(repeated_share))
    waiting_.emplace(sent + random_.between(0, hour_micros), Happening{.event = happening.event});
  waiting_.emplace(sent, std::move(happening));
}

CdpGenerator::Visitor CdpGenerator::visitor() {
  Visitor visitor;
  if (customers_.empty() || !random_.chance(known_share)) {
    visitor.anonymous = fmt::format("v{:016x}", random_.next());
  } else {
    // A few come very often.
    double place = random_.unit();
    visitor.number =
        customers_[static_cast<size_t>(place * place * place * static_cast<double>(customers_.size()))];
    CdpPerson person = cdp_person(visitor.number);
    visitor.anonymous = person.browsers[random_.below(person.browsers.size())];
    if (random_.chance(logged_in_share)) visitor.user = person.id;
    if (!person.device.empty() && random_.chance(app_share)) visitor.device = person.device;
  }
  if (random_.chance(kiosk_share)) visitor.device = fmt::format("kiosk-{}", random_.below(kiosks));
  return visitor;
}

void CdpGenerator::tell_traits(const Visitor& visitor, int64_t at_micros) {
  CdpPerson person = cdp_person(visitor.number);
  std::vector<std::string> interests;
  for (const char* interest : person.interests) interests.push_back(fmt::format("\"{}\"", interest));
  // Some move, some take back what they said.
  std::string city = random_.chance(0.1) ? "" : random_.chance(0.2) ? "Lisbon" : person.city;
  Visitor known = visitor;
  known.user = person.id;
  say(known, at_micros, "identify",
      fmt::format(
          "\"traits\":{{\"email\":\"{}\",\"name\":\"{}\",\"interests\":[{}],\"address\":{{\"city\":\"{}\"}},"
          "\"subscriptions\":[{{\"topic\":\"{}\",\"every\":\"{}\"}}]}}",
          person.email, person.name, fmt::join(interests, ","), city,
          cdp_categories[random_.below(cdp_categories.size())], random_.chance(0.5) ? "day" : "week"));
}

void CdpGenerator::sign_up(const Visitor& visitor, int64_t at_micros) {
  Visitor known = visitor;
  known.number = next_customer_++;
  known.user = fmt::format("c{}", known.number);
  Happening happening;
  happening.customer = known.number;
  say(known, at_micros, "track", track("signed_up", "\"plan\":\"free\""), std::move(happening));
  tell_traits(known, at_micros + second_micros);
}

void CdpGenerator::buy(const Visitor& visitor, const CdpProduct& product, int64_t at_micros) {
  Happening happening;
  happening.order =
      Order{.id = next_order_++, .customer = visitor.number, .product = product, .at_micros = at_micros};
  say(visitor, at_micros, "track",
      track("order_placed", fmt::format("\"order_id\":{},\"channel\":\"{}\",{}", happening.order->id,
                                        visitor.device.empty() ? "web" : "app", about(product))),
      std::move(happening));
}

void CdpGenerator::add_visit(int64_t at_micros) {
  Visitor who = visitor();
  int64_t now = at_micros;
  auto later = [&] { return now += random_.between(second_micros, 60 * second_micros); };
  say(who, now, "page", "\"name\":\"home\",\"properties\":{\"path\":\"/\"}");
  if (random_.chance(0.2))
    say(who, later(), "page", "\"name\":\"pricing\",\"properties\":{\"path\":\"/pricing\"}");
  CdpProduct product;
  for (uint64_t views = 1 + random_.below(3); views > 0; --views) {
    product = cdp_product(static_cast<int32_t>(1 + random_.below(cdp_products)));
    say(who, later(), "track", track("product_viewed", about(product)));
  }
  bool new_here = who.number == 0;
  if (random_.chance(0.5)) {
    say(who, later(), "track", track("cart_filled", about(product)));
    if (!new_here && random_.chance(0.75)) buy(who, product, later());
  }
  if (new_here && random_.chance(0.2)) sign_up(who, later());
  // A lead leaves an address and nothing else.
  if (new_here && random_.chance(0.05))
    say(who, later(), "identify",
        fmt::format("\"traits\":{{\"email\":\"lead{:08x}@example.com\"}}", random_.below(uint64_t{1} << 32)));
  if (!new_here && random_.chance(0.08)) tell_traits(who, later());
  if (!new_here && random_.chance(0.03))
    say(who, later(), "track", track("support_asked", "\"topic\":\"delivery\""));
}

Status CdpGenerator::add_traffic(const Stretch& traffic) {
  if (!has_history()) TRY_VOID(add_world(traffic.from_micros));
  DayCurve curve(traffic.from_micros, traffic.until_micros);
  auto visits = static_cast<int64_t>(static_cast<double>(traffic.rows) / events_a_visit + random_.unit());
  std::vector<Happening> happened;
  for (int64_t visit = 0; visit <= visits && !*stop_; ++visit) {
    bool end = visit == visits;
    int64_t now = end ? traffic.until_micros
                      : curve.moment((static_cast<double>(visit) + 0.5) / static_cast<double>(visits));
    if (!end) add_visit(now);
    while (!waiting_.empty() && waiting_.begin()->first <= now)
      happened.push_back(std::move(waiting_.extract(waiting_.begin()).mapped()));
    if (end || static_cast<int64_t>(happened.size()) >= traffic.transaction_rows)
      TRY_VOID(write(traffic, now, std::exchange(happened, {})));
  }
  return {};
}

Status generate_cdp(CdpGenerator& generator, const Pace& plan, const std::atomic<bool>& stop) {
  return keep_pace(
      plan, cdp_pace, [&](const Stretch& stretch) { return generator.add_traffic(stretch); }, stop);
}

}  // namespace tidemark::cli
