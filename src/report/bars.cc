#include "report/bars.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace mmusim::report {
namespace {

constexpr unsigned kEighths = 8;
// A part of a character, in eighths: from the left, and from below.
constexpr std::array<const char*, kEighths + 1> kFromLeft{" ", "▏", "▎", "▍", "▌",
                                                          "▋", "▊", "▉", "█"};
constexpr std::array<const char*, kEighths + 1> kFromBelow{" ", "▁", "▂", "▃", "▄",
                                                           "▅", "▆", "▇", "█"};

// `value` of `most` in eighths of `length` characters, rounded to the nearest.
uint64_t eighths_of(uint64_t value, uint64_t most, size_t length) {
  if (value == 0 || most == 0) return 0;
  const double share = static_cast<double>(value) / static_cast<double>(most);
  const auto eighths = static_cast<uint64_t>(share * static_cast<double>(length * kEighths) + 0.5);
  return std::clamp<uint64_t>(eighths, 1, length * kEighths);
}

}  // namespace

std::string bar(uint64_t value, uint64_t most, size_t width) {
  MMUSIM_ASSERT(value <= most);
  std::string text;
  for (uint64_t left = eighths_of(value, most, width); left != 0;) {
    const uint64_t here = std::min<uint64_t>(left, kEighths);
    text += kFromLeft.at(here);
    left -= here;
  }
  return text;
}

std::vector<std::string> columns_plot(const std::vector<uint64_t>& values, size_t height) {
  const uint64_t most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  std::vector<std::string> lines(height);
  for (const uint64_t value : values) {
    const uint64_t all = eighths_of(value, most, height);
    for (size_t line = 0; line < height; ++line) {
      const uint64_t below = (height - 1 - line) * kEighths;
      lines[line] += kFromBelow.at(all <= below ? 0 : std::min<uint64_t>(all - below, kEighths));
    }
  }
  return lines;
}

}  // namespace mmusim::report
