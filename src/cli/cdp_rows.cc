// The rows of CdpGenerator: customers, orders and their changes in Postgres.
#include "cli/cdp_generator.h"
#include "cli/copy_writer.h"
#include "cli/generator_statements.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t day_micros = 86'400'000'000;
constexpr size_t recent_max = 50'000;
// Customers from before anybody was watched.
constexpr int64_t first_customers = 100;
constexpr int64_t trial_days = 14;

std::string at(int64_t micros) {
  return fmt::format("(timestamp '1970-01-01' + {} * interval '1 microsecond')", micros);
}

}  // namespace

Result<CdpGenerator> CdpGenerator::open(const postgres::ConnectionOptions& options, uint64_t seed,
                                        const std::atomic<bool>& stop) {
  CdpGenerator generator(TRY(postgres::Connection::open(options)), seed, stop);
  TRY_VOID(generator.prepare());
  return generator;
}

Status CdpGenerator::prepare() {
  TRY_VOID(make_tables(connection_, "cdp", {"accounts", "customers", "products", "orders"}));
  customers_.clear();
  postgres::Rows rows = TRY(connection_.query("SELECT substr(id, 2)::bigint FROM customers ORDER BY 1"));
  for (size_t row = 0; row < rows.size(); ++row) customers_.push_back(rows.integer(row, 0));
  next_customer_ = customers_.empty() ? 1 : customers_.back() + 1;
  rows = TRY(
      connection_.query(fmt::format("SELECT id FROM (SELECT id FROM orders WHERE status = 'paid' ORDER BY id "
                                    "DESC LIMIT {}) AS newest ORDER BY id",
                                    recent_max)));
  recent_orders_.clear();
  for (size_t row = 0; row < rows.size(); ++row) recent_orders_.push_back(rows.integer(row, 0));
  rows = TRY(connection_.query("SELECT coalesce(max(id), 0) + 1, txid_current() FROM orders"));
  next_order_ = rows.integer(0, 0);
  // Another run goes on with other random numbers: a message's id is made of them.
  if (has_history())
    random_ = GeneratorRandom(random_.next() ^ spread_bits(static_cast<uint64_t>(rows.integer(0, 1))));
  return {};
}

Status CdpGenerator::add_world(int64_t now_micros) {
  TRY_VOID(connection_.execute("BEGIN"));
  CopyWriter products(connection_);
  TRY_VOID(products.begin("COPY products (id, name, category, price) FROM STDIN (FORMAT binary)"));
  for (int32_t id = 1; id <= cdp_products; ++id) {
    CdpProduct product = cdp_product(id);
    products.row(4);
    products.int4(id);
    products.text(product.name);
    products.text(product.category);
    products.numeric(product.cents, 2);
  }
  TRY_VOID(products.end());
  CopyWriter accounts(connection_);
  TRY_VOID(accounts.begin("COPY accounts (id, name, country, created_at) FROM STDIN (FORMAT binary)"));
  for (int32_t id = 1; id <= cdp_accounts; ++id) {
    accounts.row(4);
    accounts.text(fmt::format("a{}", id));
    accounts.text(fmt::format("Company {}", id));
    accounts.text(cdp_person(id).country);
    accounts.timestamp(now_micros);
  }
  TRY_VOID(accounts.end());
  std::vector<int64_t> numbers;
  while (next_customer_ <= first_customers) numbers.push_back(next_customer_++);
  TRY_VOID(copy_customers(numbers, now_micros));
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.commits;
  return {};
}

Status CdpGenerator::copy_customers(const std::vector<int64_t>& numbers, int64_t now_micros) {
  CopyWriter writer(connection_);
  TRY_VOID(writer.begin(
      "COPY customers (id, account_id, email, name, country, plan, consent, birthday, trial_ends_at, "
      "created_at, updated_at) FROM STDIN (FORMAT binary)"));
  for (int64_t number : numbers) {
    CdpPerson person = cdp_person(number);
    uint64_t bits = spread_bits(static_cast<uint64_t>(number));
    writer.row(11);
    for (const std::string* text :
         {&person.id, &person.account, &person.email, &person.name, &person.country})
      writer.text(*text);
    writer.text(number <= first_customers && bits % 4 == 0 ? "pro" : "free");
    writer.boolean(bits % 10 < 7);
    writer.date(person.birth_day);
    writer.timestamp(now_micros + trial_days * day_micros);
    writer.timestamp(now_micros);
    writer.timestamp(now_micros);
    TRY_VOID(writer.flush_full());
    customers_.insert(std::lower_bound(customers_.begin(), customers_.end(), number), number);
  }
  counts_.customers += static_cast<int64_t>(numbers.size());
  return writer.end();
}

Status CdpGenerator::copy_orders(const std::vector<Order>& orders) {
  CopyWriter writer(connection_);
  TRY_VOID(writer.begin(
      "COPY orders (id, customer_id, product_id, amount, status, placed_at, updated_at) FROM STDIN (FORMAT "
      "binary)"));
  for (const Order& order : orders) {
    writer.row(7);
    writer.int8(order.id);
    writer.text(fmt::format("c{}", order.customer));
    writer.int4(order.product.id);
    writer.numeric(order.product.cents, 2);
    writer.text("paid");
    writer.timestamp(order.at_micros);
    writer.timestamp(order.at_micros);
    TRY_VOID(writer.flush_full());
    recent_orders_.push_back(order.id);
  }
  while (recent_orders_.size() > recent_max) recent_orders_.pop_front();
  counts_.orders += static_cast<int64_t>(orders.size());
  return writer.end();
}

Status CdpGenerator::write(const Stretch& traffic, int64_t now_micros, std::vector<Happening> happened) {
  if (happened.empty()) return {};
  std::vector<std::string> events;
  std::vector<int64_t> customers;
  std::vector<Order> orders;
  for (Happening& one : happened) {
    events.push_back(std::move(one.event));
    if (one.customer) customers.push_back(*one.customer);
    if (one.order) orders.push_back(std::move(*one.order));
  }
  TRY_VOID(connection_.execute("BEGIN"));
  TRY_VOID(copy_customers(customers, now_micros));
  // Who was deleted meanwhile buys nothing.
  std::erase_if(orders, [&](const Order& order) {
    return !std::binary_search(customers_.begin(), customers_.end(), order.customer);
  });
  TRY_VOID(copy_orders(orders));
  TRY_VOID(change_rows(traffic, now_micros, static_cast<int64_t>(events.size())));
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.commits;
  TRY_VOID(sender_.send(events, *stop_));
  counts_.events += static_cast<int64_t>(events.size());
  if (on_progress) on_progress(counts_);
  return {};
}

Status CdpGenerator::change_rows(const Stretch& traffic, int64_t now_micros, int64_t rows) {
  auto take_order = [&] {
    size_t place = random_.below(recent_orders_.size());
    int64_t order = recent_orders_[place];
    recent_orders_.erase(recent_orders_.begin() + static_cast<std::ptrdiff_t>(place));
    return order;
  };
  auto change = [&](const std::string& sql, int64_t& counter) -> Status {
    counter += TRY(affected_rows(connection_, sql));
    return {};
  };
  for (int64_t updates = random_.share_of(rows, traffic.updates); updates > 0; --updates) {
    if (!recent_orders_.empty() && random_.chance(0.3)) {
      TRY_VOID(change(fmt::format("UPDATE orders SET status = 'refunded', updated_at = {} WHERE id = {}",
                                  at(now_micros), take_order()),
                      counts_.updates));
    } else if (!customers_.empty()) {
      int64_t number = customers_[random_.below(customers_.size())];
      const char* plan = std::array{"pro", "pro", "team", "free"}[random_.below(4)];
      TRY_VOID(change(fmt::format("UPDATE customers SET plan = '{}', updated_at = {} WHERE id = 'c{}'", plan,
                                  at(now_micros), number),
                      counts_.updates));
    }
  }
  for (int64_t deletes = random_.share_of(rows, traffic.deletes); deletes > 0; --deletes) {
    if (!recent_orders_.empty() && random_.chance(0.5)) {
      TRY_VOID(change(fmt::format("DELETE FROM orders WHERE id = {}", take_order()), counts_.deletes));
    } else if (!customers_.empty()) {
      size_t place = random_.below(customers_.size());
      TRY_VOID(
          change(fmt::format("DELETE FROM customers WHERE id = 'c{}'", customers_[place]), counts_.deletes));
      customers_.erase(customers_.begin() + static_cast<std::ptrdiff_t>(place));
    }
  }
  return {};
}

Status CdpGenerator::delete_everything() {
  TRY_VOID(connection_.execute("BEGIN"));
  for (const char* table : {"orders", "customers", "accounts", "products"})
    counts_.deletes += TRY(affected_rows(connection_, fmt::format("DELETE FROM {}", table)));
  TRY_VOID(connection_.execute("COMMIT"));
  waiting_.clear();
  return prepare();
}

}  // namespace tidemark::cli
