// What a page table was asked last, so that whoever waits for it can say where it went wrong: the
// call that crashed or hung, or after which a promise was found broken.
//
// Plain data, written by the process that runs the page table and read by the one that waits.
#ifndef MMUSIM_PT_CONFORMANCE_JOURNAL_H_
#define MMUSIM_PT_CONFORMANCE_JOURNAL_H_

#include <array>
#include <cstdint>
#include <string>

namespace mmusim::pt::conformance {

struct Journal {
  const char* name = nullptr;  // of the operation, a literal; null: none yet
  std::array<uint64_t, 4> arguments{};
  unsigned count = 0;     // of arguments
  uint64_t progress = 0;  // goes up with each operation begun

  template <class... Values>
  void note(const char* what, Values... values) {
    static_assert(sizeof...(values) <= 4);
    unsigned i = 0;
    ((arguments[i++] = static_cast<uint64_t>(values)), ...);
    count = i;
    name = what;
    progress = progress + 1;
  }
  // "split(0x600000, 0xc)"; empty: nothing was asked.
  [[nodiscard]] std::string text() const;
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_JOURNAL_H_
