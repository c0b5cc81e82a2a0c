#include "postgres/streamed_transactions.h"

#include "postgres/big_endian.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/statvfs.h>

namespace tidemark::postgres {
namespace {

tl::unexpected<Error> out_of_order(uint32_t xid, const char* what) {
  return fail(ErrorKind::corrupt, fmt::format("streamed transaction {}: {}", xid, what),
              "the stream is restarted from the last acknowledged position; if it happens again, set "
              "`streaming: false` for the source");
}

void append_number(std::string& out, uint64_t value, int width) {
  for (int shift = width * 8 - 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

uint64_t postgres_micros(int64_t unix_micros) {
  return static_cast<uint64_t>(unix_micros) - static_cast<uint64_t>(postgres_epoch_micros);
}

std::string begin_payload(const Message& commit) {
  std::string out = "B";
  append_number(out, commit.commit_lsn, 8);
  append_number(out, postgres_micros(commit.commit_time_micros), 8);
  append_number(out, commit.xid, 4);
  return out;
}

std::string commit_payload(const Message& commit) {
  std::string out("C\0", 2);
  append_number(out, commit.commit_lsn, 8);
  append_number(out, commit.end_lsn, 8);
  append_number(out, postgres_micros(commit.commit_time_micros), 8);
  return out;
}

bool carries_rows(MessageKind kind) {
  return kind == MessageKind::insert || kind == MessageKind::update || kind == MessageKind::remove;
}

}  // namespace

void StreamedTransactions::Aborted::add(uint32_t xid) {
  if (!ranges_.empty() && ranges_.back().second + 1 == xid)
    ++ranges_.back().second;
  else if (!ranges_.empty() && ranges_.back().first == xid + 1)
    --ranges_.back().first;  // nested ones are named from the inside
  else
    ranges_.emplace_back(xid, xid);
}

void StreamedTransactions::Aborted::sort() {
  std::sort(ranges_.begin(), ranges_.end());
}

bool StreamedTransactions::Aborted::contains(uint32_t xid) const {
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), std::pair(xid, UINT32_MAX));
  return after != ranges_.begin() && std::prev(after)->second >= xid;
}

void StreamedTransactions::clear() {
  current_ = nullptr;
  held_.clear();
  in_force_.clear();
  given_.clear();
  unsettled_.clear();
  out_of_room_ = false;
}

size_t StreamedTransactions::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& [xid, transaction] : held_) bytes += transaction.messages.memory_bytes();
  return bytes;
}

uint64_t StreamedTransactions::disk_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [xid, transaction] : held_) bytes += transaction.messages.disk_bytes();
  return bytes;
}

Status StreamedTransactions::take(Lsn lsn, const Message& message, std::string_view payload,
                                  const Deliver& deliver) {
  switch (message.kind) {
    case MessageKind::stream_start:
      return begin(message);
    case MessageKind::stream_stop:
      current_ = nullptr;
      return {};
    case MessageKind::stream_abort: {
      auto found = held_.find(message.xid);
      if (found == held_.end()) return {};  // nothing of it came here
      if (message.subtransaction == message.xid)
        held_.erase(found);
      else
        found->second.aborted.add(message.subtransaction);
      return {};
    }
    case MessageKind::stream_commit:
      return commit(lsn, message, deliver);
    default:
      break;
  }
  if (current_ != nullptr) {
    Status held = hold(lsn, message, payload);
    out_of_room_ = !held && held.error().kind == ErrorKind::limit;
    return held;
  }
  if (message.kind == MessageKind::relation) {
    uint32_t oid = message.relation.oid;
    in_force_[oid] =
        given_[oid] = {.arrival = ++arrivals_, .payload = std::make_shared<const std::string>(payload)};
    unsettled_.erase(oid);
  } else if (carries_rows(message.kind) && unsettled_.erase(message.relation_oid) > 0) {
    TRY_VOID(hand_on_shape(lsn, message.relation_oid, nullptr, deliver));
  }
  return deliver(lsn, message, payload);
}

Status StreamedTransactions::begin(const Message& message) {
  auto found = held_.find(message.xid);
  if (message.first_segment != (found == held_.end()))
    return out_of_order(message.xid,
                        message.first_segment ? "it begins twice" : "it goes on and never began");
  if (message.first_segment) found = held_.try_emplace(message.xid, options_.directory).first;
  current_ = &found->second;
  return {};
}

// Row and schema messages have the xid behind their type, which those of version 1 do not.
Status StreamedTransactions::hold(Lsn lsn, const Message& message, std::string_view payload) {
  constexpr size_t prefix = 1 + sizeof(uint32_t);
  switch (message.kind) {
    case MessageKind::origin:
      return {};
    case MessageKind::begin:
    case MessageKind::commit:
      return out_of_order(message.xid, "a whole transaction comes in the middle of it");
    default:
      break;
  }
  HeldMessages& messages = current_->messages;
  size_t memory = messages.memory_bytes();
  uint64_t disk = messages.disk_bytes();
  // A shape is told to everybody, whichever savepoint was the first to need it.
  bool shape = message.kind == MessageKind::relation || message.kind == MessageKind::type;
  TRY_VOID(
      messages.add(shape ? 0 : message.xid, shape ? ++arrivals_ : lsn, payload[0], payload.substr(prefix)));
  if (messages.disk_bytes() != disk) TRY_VOID(check_disk());
  return messages.memory_bytes() == memory ? Status() : keep_in_bounds();
}

Status StreamedTransactions::keep_in_bounds() {
  while (memory_bytes() > options_.memory_bytes_max) {
    auto largest = std::max_element(held_.begin(), held_.end(), [](const auto& one, const auto& other) {
      return one.second.messages.memory_bytes() < other.second.messages.memory_bytes();
    });
    TRY_VOID(largest->second.messages.move_to_disk());
    TRY_VOID(check_disk());
  }
  return {};
}

Status StreamedTransactions::check_disk() {
  struct statvfs disk;
  bool tight = statvfs(options_.directory.c_str(), &disk) == 0 &&
               uint64_t{disk.f_bavail} * disk.f_frsize < limits::streamed_disk_left_bytes_min;
  if (!tight && disk_bytes() <= options_.disk_bytes_max) return {};
  return fail(ErrorKind::limit,
              fmt::format("transactions that still run take {} MB in {}{}", disk_bytes() >> 20,
                          options_.directory.string(), tight ? ", and its disk is nearly full" : ""),
              "make room there, or set `streaming: false` for the source");
}

// The shape that rows of the relation have: what this transaction was told, else what is in force. Nobody was
// told one: the caller has its own idea of the table.
Status StreamedTransactions::hand_on_shape(Lsn lsn, uint32_t oid, const Shapes* told,
                                           const Deliver& deliver) {
  const Shape* shape = nullptr;
  if (told != nullptr)
    if (auto found = told->find(oid); found != told->end()) shape = &found->second;
  if (shape == nullptr)
    if (auto found = in_force_.find(oid); found != in_force_.end()) shape = &found->second;
  if (shape == nullptr) return {};
  Shape& given = given_[oid];
  bool same = given.same(*shape);
  given = *shape;
  return same ? Status() : deliver(lsn, *TRY(shape_decoder_.decode(*given.payload)), *given.payload);
}

Status StreamedTransactions::commit(Lsn lsn, const Message& message, const Deliver& deliver) {
  auto found = held_.find(message.xid);
  if (found == held_.end()) return out_of_order(message.xid, "it is committed and never began");
  Transaction& transaction = found->second;
  transaction.aborted.sort();
  PgoutputDecoder decoder(1);
  Shapes told;
  bool begun = false;
  uint32_t shaped = 0;  // the relation whose shape was looked at last
  TRY_VOID(transaction.messages.read([&](const HeldMessages::Message& held) -> Status {
    if (held.subtransaction != 0 && transaction.aborted.contains(held.subtransaction)) return {};
    const Message* row = TRY(decoder.decode(held.payload));
    if (row->kind == MessageKind::relation) {
      told[row->relation.oid] = {.arrival = held.place,
                                 .payload = std::make_shared<const std::string>(held.payload)};
      shaped = 0;
      return {};
    }
    // As the server does since version 15: what has nothing to say is not begun.
    if (!begun && row->kind != MessageKind::type) {
      begun = true;
      std::string payload = begin_payload(message);
      TRY_VOID(deliver(lsn, *TRY(shape_decoder_.decode(payload)), payload));
    }
    if (carries_rows(row->kind) && std::exchange(shaped, row->relation_oid) != row->relation_oid)
      TRY_VOID(hand_on_shape(held.place, row->relation_oid, &told, deliver));
    return deliver(held.place, *row, held.payload);
  }));
  if (begun) {
    std::string payload = commit_payload(message);
    TRY_VOID(deliver(lsn, *TRY(decoder.decode(payload)), payload));
  }
  settle(std::move(told));
  held_.erase(found);
  return {};
}

// The transaction's shapes are known to everybody now, unless a newer one was told meanwhile.
void StreamedTransactions::settle(Shapes told) {
  for (auto& [oid, shape] : told) {
    Shape& known = in_force_[oid];
    if (shape.arrival > known.arrival) known = std::move(shape);
    if (given_[oid].same(known))
      unsettled_.erase(oid);
    else
      unsettled_.insert(oid);
  }
}

}  // namespace tidemark::postgres
