#include "report/progress.h"

#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace mmusim::report {
namespace progress_test {

TEST(Progress, Durations) {
  EXPECT_EQ(format_duration(-1), "0 s");
  EXPECT_EQ(format_duration(12.4), "12 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(200), "3 min 20 s");
  EXPECT_EQ(format_duration(2 * 3600 + 5 * 60 + 59), "2 h 05 min");
}

TEST(Progress, Rates) {
  EXPECT_EQ(format_rate(0), "0");
  EXPECT_EQ(format_rate(850), "850");
  EXPECT_EQ(format_rate(12345), "12.3 thousand");
  EXPECT_EQ(format_rate(4.56e6), "4.56 million");
  EXPECT_EQ(format_rate(999'600), "1 million");
  EXPECT_EQ(format_rate(999.7e6), "1 billion");
  EXPECT_EQ(format_rate(7.89e9), "7.89 billion");
}

TEST(Progress, LineHasShareRateAndTimeLeft) {
  EXPECT_EQ(progress_line("replaying x", 10, 250, 1000, 50'000'000, "references"),
            "replaying x: 25 %, 5 million references/s, 30 s left");
}

TEST(Progress, LineLeavesOutWhatIsNotKnown) {
  EXPECT_EQ(progress_line("importing", 2, 10, 0, 2000, "bytes"), "importing, 1 thousand bytes/s");
  EXPECT_EQ(progress_line("importing", 0, 0, 100, 0, "bytes"), "importing: 0 %");
  // Too early to say how long it will take.
  EXPECT_EQ(progress_line("importing", 1, 1, 1000, 500, "bytes"), "importing: 0 %, 500 bytes/s");
}

std::string written(Progress::Style style) {
  std::FILE* file = std::tmpfile();
  {
    Progress progress("job", "bytes", style, file);
    for (uint64_t i = 0; i < 1000; ++i)
      progress.update(i, 1000, i);
  }
  std::string text(static_cast<size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

// What is in the file by now, without the place the writer is at.
std::string seen(std::FILE* file) {
  std::string text(4096, '\0');
  const ssize_t bytes = pread(fileno(file), text.data(), text.size(), 0);
  text.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return text;
}

// The job goes on while a line is written beside it (what ThreadSanitizer looks at).
TEST(Progress, ATerminalsLineIsRewrittenAndGoes) {
  std::FILE* file = std::tmpfile();
  {
    Progress progress("job", "bytes", Progress::Style::Terminal, file);
    for (uint64_t i = 0; seen(file).find("job: 50 %") == std::string::npos; ++i)
      progress.update(500, 1000, i);
  }
  const std::string text = seen(file);
  std::fclose(file);
  EXPECT_EQ(text.rfind("\r\033[Kjob: ", 0), 0u) << text;
  ASSERT_GE(text.size(), 4u);
  EXPECT_EQ(text.substr(text.size() - 4), "\r\033[K");
}

// A job of a moment says nothing.
TEST(Progress, ShortJobsAreQuiet) {
  EXPECT_EQ(written(Progress::Style::Lines), "");
  EXPECT_EQ(written(Progress::Style::None), "");
}

}  // namespace progress_test
}  // namespace mmusim::report
