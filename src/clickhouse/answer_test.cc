#include "clickhouse/answer.h"

#include <gtest/gtest.h>

namespace tidemark::clickhouse {
namespace {

TEST(ParseException, KeepsCodeNameAndTextOnly) {
  auto exception = parse_exception(
      "Code: 47. DB::Exception: Unknown identifier `foo` (maybe `f(o)`). (UNKNOWN_IDENTIFIER) (version "
      "26.7.2.1 "
      "(official build))\n");
  EXPECT_EQ(exception.code, 47);
  EXPECT_EQ(exception.name, "UNKNOWN_IDENTIFIER");
  EXPECT_EQ(exception.text, "Unknown identifier `foo` (maybe `f(o)`)");
  EXPECT_EQ(error_of(exception).kind, ErrorKind::refused);
}

TEST(ParseException, TooManyPartsMayBeTriedAgainMemoryIsALimit) {
  EXPECT_EQ(error_of({252, "TOO_MANY_PARTS", ""}).kind, ErrorKind::dependency_down);
  EXPECT_EQ(error_of({241, "MEMORY_LIMIT_EXCEEDED", ""}).kind, ErrorKind::limit);
  EXPECT_EQ(error_of({319, "UNKNOWN_STATUS_OF_INSERT", ""}).kind, ErrorKind::unknown_outcome);
}

TEST(BodyGuard, AFrameInAnyPiecesIsAnErrorAndNoByteOfItIsData) {
  const std::string body =
      "1\n2\n\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 395. DB::Exception: no. (THROW) (version "
      "26.7.2.1)\n50 "
      "abcdefghijklmnop\r\n__exception__\r\n";
  for (size_t step = 1; step <= body.size(); ++step) {
    std::string data;
    BodyGuard guard([&](std::string_view bytes) {
      data.append(bytes);
      return Status();
    });
    guard.set_tag("abcdefghijklmnop");
    for (size_t at = 0; at < body.size(); at += step)
      ASSERT_TRUE(guard.feed(std::string_view(body).substr(at, step)));
    auto end = guard.finish(false);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().message, "ClickHouse error 395 THROW: no");
    EXPECT_EQ(data, "1\n2\n");
  }
}

TEST(BodyGuard, DataThatLooksLikeTheBeginningOfAFrameIsPassedOn) {
  const std::string body = "a\r\n__exception__\r\nabcdefghijklmnoX tail\r\n__exc";
  std::string data;
  BodyGuard guard([&](std::string_view bytes) {
    data.append(bytes);
    return Status();
  });
  guard.set_tag("abcdefghijklmnop");
  for (char character : body) ASSERT_TRUE(guard.feed(std::string_view(&character, 1)));
  ASSERT_TRUE(guard.finish(true));
  EXPECT_EQ(data, body);
}

TEST(BodyGuard, WithoutATagBareTextAtACutEndIsAnError) {
  BodyGuard guard([](std::string_view) { return Status(); });
  ASSERT_TRUE(guard.feed("1\n2\nCode: 395. DB::Exception: no. (THROW)"));
  EXPECT_FALSE(guard.finish(false));
}

}  // namespace
}  // namespace tidemark::clickhouse
