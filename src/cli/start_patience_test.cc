#include "cli/start_patience.h"

#include <gtest/gtest.h>

namespace tidemark::cli {
namespace {

TEST(StartPatience, OnlyWhatMayAnswerLaterIsTriedAgain) {
  for (ErrorKind kind : {ErrorKind::config, ErrorKind::refused, ErrorKind::conflict, ErrorKind::unsupported,
                         ErrorKind::cancelled, ErrorKind::limit})
    EXPECT_FALSE(StartPatience().again_after(Error(kind, "no"))) << name(kind);
  for (ErrorKind kind : {ErrorKind::dependency_down, ErrorKind::unknown_outcome})
    EXPECT_TRUE(StartPatience().again_after(Error(kind, "reset"))) << name(kind);
}

TEST(StartPatience, Ends) {
  ManualClock clock;
  StartPatience patience(clock);
  Error error(ErrorKind::dependency_down, "refused");
  ASSERT_TRUE(patience.again_after(error));
  clock.advance(limits::start_patience_us + 1);
  // A step that takes long: some tries, whatever the time.
  for (int attempt = 2; attempt < limits::start_step_attempts; ++attempt)
    ASSERT_TRUE(patience.again_after(error)) << attempt;
  EXPECT_FALSE(patience.again_after(error));
}

}  // namespace
}  // namespace tidemark::cli
