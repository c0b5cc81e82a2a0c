// What people do. How it lands: commerce_landing.cc.
#include "cli/commerce_generator.h"

#include "cli/commerce_order_documents.h"
#include "cli/generator_statements.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t minute_micros = 60 * second_micros;
constexpr int64_t hour_micros = 60 * minute_micros;
constexpr int64_t day_micros = 24 * hour_micros;
constexpr int64_t above_doubles = 9'007'199'254'740'993;  // 2^53 + 1
constexpr int64_t order_base = above_doubles + 100'000'000;
constexpr int64_t refund_base = above_doubles + 200'000'000;
constexpr int64_t checkout_base = above_doubles + 300'000'000;
constexpr double rows_a_visit = 9;
constexpr double known_share = 0.7;     // visits of people who were here before
constexpr double consent_share = 0.97;  // the others have no id in GA4
constexpr int64_t restock_below = 5, restock_units = 120;

}  // namespace

Result<CommerceGenerator> CommerceGenerator::open(const postgres::ConnectionOptions& options, uint64_t seed,
                                                  const std::atomic<bool>& stop) {
  CommerceGenerator generator(TRY(postgres::Connection::open(options)), seed, stop);
  TRY_VOID(generator.prepare());
  return generator;
}

Status CommerceGenerator::prepare() {
  TRY_VOID(make_tables(
      connection_, "commerce",
      {"raw_shopify.orders", "raw_shopify.order_agreements", "raw_klaviyo.events", "raw_ga4.events"}));
  postgres::Rows rows = TRY(connection_.query(
      fmt::format("SELECT (SELECT count(DISTINCT id) + 1 FROM raw_klaviyo.profiles), "
                  "(SELECT coalesce(max(id) - {}, 0) + 1 FROM raw_shopify.orders), "
                  "(SELECT coalesce(max(id) - {}, 0) + 1 FROM raw_shopify.order_refunds), "
                  "(SELECT coalesce(max(id) - {}, 0) + 1 FROM raw_shopify.abandoned_checkouts)",
                  order_base, refund_base, checkout_base)));
  next_person_ = rows.integer(0, 0);
  next_order_ = rows.integer(0, 1);
  next_refund_ = rows.integer(0, 2);
  next_checkout_ = rows.integer(0, 3);
  // Another run goes on with other random numbers: ids of rows are made of them.
  if (next_person_ > 1)
    random_ = GeneratorRandom(random_.next() ^
                              spread_bits(static_cast<uint64_t>(next_checkout_ * 64 + next_order_)));
  postgres::Rows spent = TRY(
      connection_.query(fmt::format("SELECT id - {}, max(orders_count), (max(total_spent) * 100)::bigint, "
                                    "(extract(epoch FROM min(created_at)) * 1000000)::bigint "
                                    "FROM raw_shopify.customers GROUP BY id",
                                    commerce_person(0).customer_id)));
  spent_.clear();
  for (size_t row = 0; row < spent.size(); ++row)
    spent_[spent.integer(row, 0)] = {.orders = spent.integer(row, 1),
                                     .cents = spent.integer(row, 2),
                                     .since_micros = spent.integer(row, 3)};
  return {};
}

void CommerceGenerator::land(const std::string& table, std::string document, int64_t at_micros) {
  waiting_.emplace(at_micros + random_.between(0, 20 * second_micros), Landing{table, std::move(document)});
}

void CommerceGenerator::add_world(int64_t now_micros) {
  for (size_t shop = 0; shop < commerce_shops().size(); ++shop) {
    const CommerceShop& known = commerce_shops()[shop];
    land("raw_shopify.locations", location_document(known, now_micros), now_micros);
    land("raw_shopify.shop", shop_document(known, now_micros), now_micros);
    land("raw_shopify.countries", country_document(known), now_micros);
    for (size_t code : {0, 1}) {
      land("raw_shopify.price_rules", price_rule_document(known, code, now_micros), now_micros);
      land("raw_shopify.discount_codes", discount_code_document(known, code, 0, now_micros), now_micros);
    }
    for (int64_t number = 0; number < commerce_products; ++number) {
      CommerceProduct product = commerce_product(shop, number);
      land("raw_shopify.inventory_items", inventory_item_document(shop, product, now_micros), now_micros);
      stock_[product.inventory_item_id] = restock_units;
      land("raw_shopify.inventory_levels", inventory_level_document(shop, product, restock_units, now_micros),
           now_micros);
    }
  }
  for (const std::string& metric : commerce_metrics())
    land("raw_klaviyo.metrics", klaviyo_metric_document(metric, now_micros), now_micros);
  for (int64_t number = 0; number < commerce_campaigns; ++number)
    land("raw_klaviyo.campaigns", klaviyo_campaign_document(number, now_micros + number * day_micros),
         now_micros);
  land("raw_klaviyo.flows", klaviyo_flow_document(now_micros), now_micros);
  land("raw_klaviyo.lists", klaviyo_list_document(now_micros), now_micros);
}

void CommerceGenerator::tell_klaviyo(std::string_view metric, const CommercePerson& person, int64_t at_micros,
                                     const std::string& properties, int64_t landed_micros) {
  std::string id = fmt::format("K{:016x}", random_.next());
  land("raw_klaviyo.events", klaviyo_event_document(id, metric, person, at_micros, properties),
       landed_micros);
}

void CommerceGenerator::tell_profile(const CommercePerson& person, int64_t at_micros) {
  auto found = spent_.find(person.number);
  Spent spent = found == spent_.end() ? Spent{.since_micros = at_micros} : found->second;
  land("raw_klaviyo.profiles",
       klaviyo_profile_document(person, spent.since_micros, at_micros, spent.orders, spent.cents, at_micros),
       at_micros);
}

CommercePerson CommerceGenerator::visitor(int64_t at_micros, bool& is_new) {
  is_new = next_person_ <= 1 || !random_.chance(known_share);
  if (is_new) {
    CommercePerson person = commerce_person(next_person_++);
    tell_profile(person, at_micros);
    return person;
  }
  // A few come very often.
  double place = random_.unit();
  return commerce_person(1 + static_cast<int64_t>(place * place * static_cast<double>(next_person_ - 1)));
}

// A letter that was read: by a person, or by the machine of a mail program that fetches all pictures.
void CommerceGenerator::send_letter(const CommercePerson& person, int64_t campaign, int64_t at_micros,
                                    bool clicked) {
  std::string message = fmt::format(R"("$message":"{}","Campaign Name":"{}","Subject":"News {}")",
                                    campaign_message_id(campaign), campaign_name(campaign), campaign + 1);
  int64_t received = at_micros - random_.between(minute_micros, 20 * hour_micros);
  if (!clicked && random_.chance(0.02)) {
    tell_klaviyo("Bounced Email", person, received, message, at_micros);
    return;
  }
  tell_klaviyo("Received Email", person, received, message, at_micros);
  if (!clicked && !random_.chance(0.4)) return;
  bool machine = !clicked && random_.chance(0.4);
  tell_klaviyo("Opened Email", person, received + (machine ? second_micros : 30 * second_micros),
               message + (machine ? R"(,"machine_open":true,"Client Name":"Apple Mail Privacy")"
                                  : R"(,"Client Type":"mobile")"),
               at_micros);
  if (!clicked && random_.chance(0.03))
    tell_klaviyo("Clicked Email", person, received + 2 * second_micros, message + R"(,"Bot Click":true)",
                 at_micros);
  if (clicked) tell_klaviyo("Clicked Email", person, at_micros - 10 * second_micros, message, at_micros);
  if (!clicked && random_.chance(0.01))
    tell_klaviyo("Unsubscribed", person, received + hour_micros, message, at_micros);
}

void CommerceGenerator::add_letters(int64_t at_micros) {
  if (next_person_ <= 1 || !random_.chance(0.5)) return;
  CommercePerson person =
      commerce_person(1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(next_person_ - 1))));
  if (person.subscribed)
    send_letter(person, static_cast<int64_t>(random_.below(commerce_campaigns)), at_micros, false);
}

void CommerceGenerator::add_visit(int64_t at_micros) {
  add_letters(at_micros);
  bool is_new = false;
  CommercePerson person = visitor(at_micros, is_new);
  if (person.subscribed && !is_new && random_.chance(0.3)) {
    auto letter = static_cast<int64_t>(random_.below(commerce_campaigns));
    send_letter(person, letter, at_micros, true);
    browse(person, {.source = "klaviyo", .medium = "email", .campaign = "letter", .weight = 0}, at_micros,
           is_new, letter);
    return;
  }
  int weights = 0;
  for (const CommerceTouch& touch : commerce_touches()) weights += touch.weight;
  auto place = static_cast<int>(random_.below(static_cast<uint64_t>(weights)));
  for (const CommerceTouch& touch : commerce_touches())
    if ((place -= touch.weight) < 0) return browse(person, touch, at_micros, is_new, -1);
}

CommerceOrder CommerceGenerator::fill_cart(const CommercePerson& person, int64_t at_micros) {
  CommerceOrder cart;
  cart.person = person;
  cart.at_micros = cart.updated_micros = at_micros;
  if (random_.chance(0.2)) cart.code = random_.chance(0.7) ? "SPRING10" : "FRIENDS15";
  int64_t percent = cart.code.empty() ? 0 : cart.code == "SPRING10" ? 10 : 15;
  for (uint64_t lines = 1 + random_.below(3); lines > 0; --lines) {
    CommerceLine line;
    line.product = commerce_product(person.shop, static_cast<int64_t>(random_.below(commerce_products)));
    line.quantity = random_.chance(0.2) ? 2 : 1;
    line.discount_cents = line.product.cents * line.quantity * percent / 100;
    cart.lines.push_back(line);
  }
  cart.shipping_cents = cart.gross_cents() > 10'000 ? 0 : 490;
  return cart;
}

void CommerceGenerator::browse(const CommercePerson& person, const CommerceTouch& touch, int64_t at_micros,
                               bool is_new, int64_t letter) {
  Ga4Event event{
      .person = person, .touch = touch, .session = at_micros / second_micros, .at_micros = at_micros};
  event.engaged_as_text = random_.chance(0.7);
  if (!random_.chance(consent_share)) event.person.client_id.clear();
  auto say = [&](const char* name, const std::string& page) {
    event.name = name;
    event.page = page;
    // Some arrive days later; GA4 takes them for three days.
    int64_t late = random_.chance(0.02) ? random_.between(hour_micros, 60 * hour_micros) : 0;
    land("raw_ga4.events", ga4_event_document(event), event.at_micros + late);
    event.at_micros += random_.between(second_micros, 90 * second_micros);
  };
  if (is_new) say("first_visit", "/");
  say("session_start", "/");
  say("page_view", "/");
  if (random_.chance(0.35)) return;  // gone
  event.engaged = true;
  event.engagement_ms = random_.between(1'000, 60'000);
  tell_klaviyo("Active on Site", person, event.at_micros, R"("page":"/")", event.at_micros);
  CommerceOrder cart = fill_cart(person, event.at_micros);
  std::string page = fmt::format("/products/{}", cart.lines.front().product.sku);
  say("page_view", page);
  say("view_item", page);
  tell_klaviyo("Viewed Product", person, event.at_micros,
               fmt::format(R"("Product Name":"{}","page":"{}")", cart.lines.front().product.title, page),
               event.at_micros);
  if (!random_.chance(0.5)) return;
  say("add_to_cart", page);
  if (!random_.chance(0.6)) return;
  say("begin_checkout", "/checkout");
  cart.at_micros = cart.updated_micros = event.at_micros;
  cart.id = checkout_base + next_checkout_++;
  if (auto [known, is_first] = spent_.try_emplace(person.number, Spent{.since_micros = event.at_micros});
      is_first)
    land("raw_shopify.customers", customer_document(person, event.at_micros, event.at_micros, 0, 0),
         event.at_micros);
  land("raw_shopify.abandoned_checkouts", checkout_document(cart, {}), event.at_micros);
  tell_klaviyo("Checkout Started", person, event.at_micros,
               fmt::format(R"("$value":{},"$value_currency":"{}")", money(cart.total_cents()),
                           commerce_shops()[person.shop].currency),
               event.at_micros);
  if (random_.chance(0.6)) buy(std::move(cart), touch, event, letter);
}

void CommerceGenerator::buy(CommerceOrder order, const CommerceTouch& touch, Ga4Event event, int64_t letter) {
  int64_t at = event.at_micros + random_.between(10 * second_micros, 5 * minute_micros);
  // Some come back for their cart on another day, and have forgotten about it here.
  if (random_.chance(0.8)) land("raw_shopify.abandoned_checkouts", checkout_document(order, at), at);
  order.number = 1000 + next_order_;
  order.id = order_base + next_order_++;
  order.at_micros = order.updated_micros = at;
  order.test = random_.chance(0.005);
  order.guest = random_.chance(0.03);
  for (size_t place = 0; place < order.lines.size(); ++place)
    order.lines[place].id = order.id + 400'000'000 + static_cast<int64_t>(place) * 50'000'000;
  ++counts_.orders;
  if (!order.guest) {
    Spent& spent = spent_[order.person.number];
    ++spent.orders;
    spent.cents += order.total_cents();
    land("raw_shopify.customers",
         customer_document(order.person, spent.since_micros, at, spent.orders, spent.cents), at);
    tell_profile(order.person, at);
    std::string credit =
        letter < 0 ? "" : fmt::format(R"(,"$attributed_message":"{}")", campaign_message_id(letter));
    tell_klaviyo(
        "Placed Order", order.person, at,
        fmt::format(R"("$event_id":"{}","$value":{},"$value_currency":"{}"{})", order.id,
                    money(order.total_cents()), commerce_shops()[order.person.shop].currency, credit),
        at);
  }
  event.name = "purchase";
  event.page = "/thank_you";
  event.at_micros = at;
  event.transaction = random_.chance(0.02) ? "(not set)" : std::to_string(order.id);
  event.revenue_cents = order.total_cents();
  land("raw_ga4.events", ga4_event_document(event), at);
  if (random_.chance(0.03)) {  // the page was loaded again
    event.at_micros += 20 * second_micros;
    land("raw_ga4.events", ga4_event_document(event), event.at_micros);
  }
  land("raw_shopify.orders", order_document(order), at);
  land("raw_shopify.transactions", sale_document(order), at);
  land("raw_shopify.order_agreements", agreements_document(order, nullptr, at), at);
  int64_t visits = 1 + static_cast<int64_t>(random_.below(3));
  const auto& touches = commerce_touches();
  land("raw_shopify.customer_journey_summary",
       journey_document(
           order, visits == 1 ? touch : touches[random_.below(touches.size())], touch,
           at - (visits == 1 ? 600 * second_micros : random_.between(hour_micros, 20 * day_micros)), visits),
       at);
  take_from_stock(order);
  follow_up(order);
}

void CommerceGenerator::take_from_stock(const CommerceOrder& order) {
  for (const CommerceLine& line : order.lines) {
    int64_t& available = stock_.try_emplace(line.product.inventory_item_id, restock_units).first->second;
    available -= line.quantity;
    if (available < restock_below && random_.chance(0.4)) available += restock_units;
    land("raw_shopify.inventory_levels",
         inventory_level_document(order.person.shop, line.product, available, order.at_micros),
         order.at_micros);
  }
}

// Sent, sent back, called off: each a later version of the order.
void CommerceGenerator::follow_up(const CommerceOrder& placed) {
  deletable_.emplace_back(
      placed.guest ? 0 : placed.person.customer_id,
      Landing{"raw_shopify.orders", order_tombstone(placed, placed.at_micros + 400 * day_micros)});
  CommerceOrder order = placed;
  if (random_.chance(0.015)) {
    order.cancelled = true;
    order.financial = "voided";
    order.updated_micros += random_.between(minute_micros, 6 * hour_micros);
    land("raw_shopify.orders", order_document(order), order.updated_micros);
    return;
  }
  order.fulfillment = "fulfilled";
  order.updated_micros += random_.between(hour_micros, 3 * day_micros);
  land("raw_shopify.orders", order_document(order), order.updated_micros);
  if (!random_.chance(0.1)) return;
  CommerceRefund refund;
  refund.id = refund_base + next_refund_++;
  refund.at_micros = order.updated_micros + random_.between(hour_micros, 9 * day_micros);
  for (size_t place = 0; place < order.lines.size(); ++place)
    if (place == 0 || random_.chance(0.5))
      refund.items.emplace_back(
          place, 1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(order.lines[place].quantity))));
  if (random_.chance(0.2)) refund.adjustment_cents = -200;
  ++counts_.refunds;
  land("raw_shopify.order_refunds", refund_document(order, refund), refund.at_micros);
  land("raw_shopify.transactions", refund_transaction_document(order, refund), refund.at_micros);
  land("raw_shopify.order_agreements", agreements_document(order, &refund, refund.at_micros),
       refund.at_micros);
  order.financial = "partially_refunded";
  order.updated_micros = refund.at_micros;
  land("raw_shopify.orders", order_document(order), refund.at_micros);
  if (!order.guest)
    tell_klaviyo("Refunded Order", order.person, refund.at_micros,
                 fmt::format(R"("$event_id":"{}")", order.id), refund.at_micros);
}

Status CommerceGenerator::add_traffic(const Stretch& traffic) {
  if (next_person_ <= 1) add_world(traffic.from_micros);
  int64_t visits = std::max<int64_t>(1, std::llround(static_cast<double>(traffic.rows) / rows_a_visit));
  DayCurve curve(traffic.from_micros, traffic.until_micros);
  std::vector<std::pair<int64_t, Landing>> rows;
  for (int64_t visit = 0; visit < visits && !*stop_; ++visit) {
    int64_t now = curve.moment(static_cast<double>(visit) / static_cast<double>(visits));
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      auto node = waiting_.extract(waiting_.begin());
      rows.emplace_back(node.key(), std::move(node.mapped()));
    }
    if (static_cast<int64_t>(rows.size()) >= traffic.transaction_rows) {
      TRY_VOID(write(traffic, std::exchange(rows, {})));
      TRY_VOID(sync_reports(traffic, now));
    }
    add_visit(now);
  }
  // What would happen later stays for the next call.
  while (!waiting_.empty() && waiting_.begin()->first <= traffic.until_micros) {
    auto node = waiting_.extract(waiting_.begin());
    rows.emplace_back(node.key(), std::move(node.mapped()));
  }
  if (!rows.empty()) TRY_VOID(write(traffic, std::move(rows)));
  return sync_reports(traffic, traffic.until_micros);
}

Status generate_commerce(CommerceGenerator& generator, const Pace& plan, const std::atomic<bool>& stop) {
  return keep_pace(
      plan, commerce_pace, [&](const Stretch& stretch) { return generator.add_traffic(stretch); }, stop);
}

}  // namespace tidemark::cli
