#include "report/markup.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "report/readable.h"
#include "support/xml_outline.h"

namespace pollmark {
namespace {

RC_GTEST_PROP(Markup, AnyTextComesBackAsItIsReadable, (const std::string& text)) {
  Markup out;
  out.open("a", {{"title", text}}).text(text).close();
  const support::XmlOutline outline = support::read_xml(out.take());
  RC_ASSERT(outline.mistake.empty());
  RC_ASSERT(outline.elements.size() == 1U);
  RC_ASSERT(outline.elements[0].text == readable(text));
  RC_ASSERT(outline.elements[0].attributes.at("title") == readable(text));
}

TEST(Markup, TextNeverBecomesATag) {
  Markup out;
  out.leaf("p", "<script>alert('x')</script> & \"more\"");
  EXPECT_EQ(out.take(),
            "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;</p>");
}

TEST(Markup, ATagLeftOpenIsABug) {
  EXPECT_EXIT(
      {
        Markup out;
        out.open("p");
        (void)out.take();
      },
      testing::ExitedWithCode(70), "");
}

// The reader of the other tests must itself see what is wrong.
TEST(XmlOutline, SeesEachKindOfDamage) {
  EXPECT_EQ(support::read_xml("<!DOCTYPE html>\n<a><b c=\"1\"/>x</a>\n").mistake, "");
  for (const char* damaged :
       {"<a>", "<a></b>", "<a><b></a></b>", "<a b=1></a>", "<a b></a>", "<a b=\"1\" b=\"2\"></a>",
        "<a>x & y</a>", "<a>1 < 2</a>", "<a></a><a></a>", "<a b=\"<\"></a>", "x", "",
        "<a b=\"1\"c=\"2\"></a>", "<a>\x01</a>"}) {
    EXPECT_NE(support::read_xml(damaged).mistake, "") << damaged;
  }
}

}  // namespace
}  // namespace pollmark
