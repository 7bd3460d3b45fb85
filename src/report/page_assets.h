// What every page holds besides its content, as it was when the program was built (page/).
#ifndef MMUSIM_REPORT_PAGE_ASSETS_H_
#define MMUSIM_REPORT_PAGE_ASSETS_H_

#include <string_view>

namespace mmusim::report {

std::string_view page_style();   // CSS
std::string_view page_script();  // JavaScript: the library of plots, and what draws with it

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_PAGE_ASSETS_H_
