// Bars and curves of block characters, an eighth of a character fine. UTF-8, without colours.
#ifndef MMUSIM_REPORT_BARS_H_
#define MMUSIM_REPORT_BARS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mmusim::report {

// A bar from the left, `value` of `most` being `width` characters. What is not 0 is at least an
// eighth. REQUIRES: value <= most.
std::string bar(uint64_t value, uint64_t most, size_t width);

// One column for each value, `height` lines, the highest first; each line without its end. Values
// are drawn from 0 to the largest; what is not 0 is at least an eighth.
std::vector<std::string> columns_plot(const std::vector<uint64_t>& values, size_t height);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_BARS_H_
