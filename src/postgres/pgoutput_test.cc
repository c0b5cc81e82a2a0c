// The message reader on bytes made here: every message type, and what broken bytes do to it.
#include "postgres/pgoutput.h"

#include <gtest/gtest.h>
#include <random>

namespace tidemark::postgres {
namespace {

class Bytes {
 public:
  explicit Bytes(char type) : data_(1, type) {}
  Bytes& u8(uint8_t value) { return number(value, 1); }
  Bytes& u16(uint16_t value) { return number(value, 2); }
  Bytes& u32(uint32_t value) { return number(value, 4); }
  Bytes& u64(uint64_t value) { return number(value, 8); }
  Bytes& text(std::string_view value) {
    data_.append(value).push_back('\0');
    return *this;
  }
  Bytes& raw(std::string_view value) {
    data_.append(value);
    return *this;
  }
  Bytes& field(char kind, std::string_view value) {
    return u8(static_cast<uint8_t>(kind)).u32(static_cast<uint32_t>(value.size())).raw(value);
  }
  operator std::string_view() const { return data_; }

 private:
  Bytes& number(uint64_t value, int width) {
    for (int shift = width * 8 - 8; shift >= 0; shift -= 8) data_ += static_cast<char>(value >> shift);
    return *this;
  }
  std::string data_;
};

std::vector<std::string> samples(bool streamed) {
  std::vector<std::string> all;
  auto add = [&](char type, const std::function<void(Bytes&)>& rest, bool prefixed = true) {
    Bytes bytes(type);
    if (streamed && prefixed) bytes.u32(77);
    rest(bytes);
    all.emplace_back(std::string_view(bytes));
  };
  add('I', [](Bytes& b) { b.u32(5).u8('N').u16(3).field('t', "abc").u8('n').u8('u'); });
  add('U', [](Bytes& b) { b.u32(5).u8('N').u16(1).field('b', "x"); });
  add('U', [](Bytes& b) { b.u32(5).u8('K').u16(1).field('t', "old").u8('N').u16(1).field('b', "new"); });
  add('D', [](Bytes& b) { b.u32(5).u8('O').u16(2).field('t', "").u8('n'); });
  add('R', [](Bytes& b) {
    b.u32(5)
        .text("public")
        .text("t")
        .u8('f')
        .u16(2)
        .u8(1)
        .text("id")
        .u32(23)
        .u32(0xffffffff)
        .u8(0)
        .text("n")
        .u32(1700)
        .u32(9);
  });
  add('Y', [](Bytes& b) { b.u32(5).text("public").text("mood"); });
  add('T', [](Bytes& b) { b.u32(2).u8(3).u32(5).u32(6); });
  add('M', [](Bytes& b) { b.u8(1).u64(99).text("prefix").u32(3).raw("abc"); });
  if (streamed) return all;
  add('B', [](Bytes& b) { b.u64(10).u64(0).u32(7); });
  add('C', [](Bytes& b) { b.u8(0).u64(10).u64(12).u64(1); });
  add('O', [](Bytes& b) { b.u64(3).text("elsewhere"); });
  return all;
}

TEST(Pgoutput, EveryMessageOfVersionOne) {
  PgoutputDecoder decoder(1);
  auto all = samples(false);
  auto read = [&](size_t index) -> const Message& {
    auto message = decoder.decode(all[index]);
    EXPECT_TRUE(message) << message.error().describe();
    return **message;
  };
  {
    const Message& insert = read(0);
    EXPECT_EQ(insert.kind, MessageKind::insert);
    EXPECT_EQ(insert.relation_oid, 5U);
    ASSERT_EQ(insert.new_row.size(), 3U);
    EXPECT_EQ(std::string(insert.new_row[0].data, insert.new_row[0].length), "abc");
    EXPECT_EQ(insert.new_row[1].kind, 'n');
    EXPECT_EQ(insert.new_row[2].kind, 'u');
  }
  EXPECT_EQ(read(1).old_kind, 0);
  {
    const Message& update = read(2);
    EXPECT_EQ(update.old_kind, 'K');
    EXPECT_EQ(update.old_row[0].kind, 't');
    EXPECT_EQ(update.new_row[0].kind, 'b');
  }
  EXPECT_EQ(read(3).kind, MessageKind::remove);
  EXPECT_EQ(read(3).old_row.size(), 2U);
  {
    const Relation& relation = read(4).relation;
    EXPECT_EQ(relation.name, "t");
    EXPECT_EQ(relation.replica_identity, 'f');
    EXPECT_TRUE(relation.columns[0].key);
    EXPECT_FALSE(relation.columns[1].key);
    EXPECT_EQ(relation.columns[0].type_modifier, -1);
    EXPECT_EQ(relation.columns[1].type_oid, 1700U);
  }
  EXPECT_EQ(read(5).kind, MessageKind::type);
  EXPECT_EQ(read(6).truncated, (std::vector<uint32_t>{5, 6}));
  EXPECT_TRUE(read(6).truncate_cascade && read(6).truncate_restart_identity);
  EXPECT_EQ(read(7).content, "abc");
  EXPECT_EQ(read(7).message_lsn, 99U);
  EXPECT_EQ(read(8).commit_time_micros, 946'684'800'000'000);
  EXPECT_EQ(read(9).end_lsn, 12U);
  EXPECT_EQ(read(10).prefix, "elsewhere");
}

TEST(Pgoutput, StreamedMessagesCarryTheirTransactionOnlyInsideAStream) {
  PgoutputDecoder decoder(2);
  ASSERT_TRUE(decoder.decode(Bytes('S').u32(70).u8(1)));
  EXPECT_TRUE(decoder.in_stream());
  for (const auto& sample : samples(true)) {
    auto message = decoder.decode(sample);
    ASSERT_TRUE(message) << message.error().describe();
    EXPECT_EQ((*message)->xid, 77U);
  }
  EXPECT_FALSE(decoder.decode(Bytes('S').u32(70).u8(1)));
  ASSERT_TRUE(decoder.decode(Bytes('E')));
  EXPECT_FALSE(decoder.in_stream());
  for (const auto& sample : samples(false)) ASSERT_TRUE(decoder.decode(sample));
  auto abort = decoder.decode(Bytes('A').u32(70).u32(71));
  ASSERT_TRUE(abort);
  EXPECT_EQ((*abort)->subtransaction, 71U);
  auto commit = decoder.decode(Bytes('c').u32(70).u8(0).u64(1).u64(2).u64(3));
  ASSERT_TRUE(commit);
  EXPECT_EQ((*commit)->end_lsn, 2U);
}

TEST(Pgoutput, EveryTruncationAndEveryExtensionIsCorrupt) {
  for (const auto& sample : samples(false)) {
    for (size_t length = 0; length < sample.size(); ++length) {
      // A copy of exactly that length, so that a read over its end is one a sanitizer sees.
      std::vector<char> cut(sample.begin(), sample.begin() + static_cast<ptrdiff_t>(length));
      PgoutputDecoder decoder(1);
      auto message = decoder.decode({cut.data(), cut.size()});
      ASSERT_FALSE(message) << sample[0] << " cut to " << length;
      EXPECT_EQ(message.error().kind, ErrorKind::corrupt);
    }
    PgoutputDecoder decoder(1);
    EXPECT_FALSE(decoder.decode(sample + "x"));
  }
}

TEST(Pgoutput, ChangedBytesNeverCrash) {
  unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  auto all = samples(false);
  size_t refused = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string changed = all[random() % all.size()];
    for (unsigned change = random() % 3 + 1; change > 0; --change)
      changed[random() % changed.size()] = static_cast<char>(random());
    std::vector<char> bytes(changed.begin(), changed.end());
    PgoutputDecoder decoder(static_cast<int>(random() % 2 + 1));
    refused += decoder.decode({bytes.data(), bytes.size()}) ? 0 : 1;
  }
  EXPECT_GT(refused, 10'000U);
}

}  // namespace
}  // namespace tidemark::postgres
