#include "report/page_assets.h"

// Files as bytes of the program: the assembler takes them in as they are, where a compiler would
// read half a million characters as a literal. CMakeLists.txt names them.
#define MMUSIM_ASSET(symbol, file)                                           \
  __asm__(".pushsection .rodata\n" symbol ":\n.incbin \"" file "\"\n" symbol \
          "_end:\n.byte 0\n.popsection\n")

MMUSIM_ASSET("mmusim_page_style", MMUSIM_PAGE_STYLE);
MMUSIM_ASSET("mmusim_page_script", MMUSIM_PAGE_SCRIPT);

extern "C" {
extern const char mmusim_page_style[];
extern const char mmusim_page_style_end[];
extern const char mmusim_page_script[];
extern const char mmusim_page_script_end[];
}

namespace mmusim::report {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::string_view page_style() {
  return between(mmusim_page_style, mmusim_page_style_end);
}

std::string_view page_script() {
  return between(mmusim_page_script, mmusim_page_script_end);
}

}  // namespace mmusim::report
