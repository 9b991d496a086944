#include "host/kernel_symbols.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

constexpr std::string_view kText =
    "ffffffff81000000 T _stext\n"
    "ffffffff81000200 t ip_rcv_core.isra.0\n"
    "ffffffff81000300 D some_data\n"
    "ffffffff81000400 W weak_one\n"
    "ffffffffc0000100 t nft_do_chain\t[nf_tables]\n"
    "ffffffff81000280 T out_of_order\n";

TEST(KernelSymbols, AnAddressLiesInTheLastFunctionThatBeginsBeforeIt) {
  const KernelSymbols symbols = KernelSymbols::parse(kText);
  EXPECT_EQ(symbols.function_at(0xffffffff81000000), "_stext");
  EXPECT_EQ(symbols.function_at(0xffffffff810001ff), "_stext");
  EXPECT_EQ(symbols.function_at(0xffffffff8100027f), "ip_rcv_core");
  EXPECT_EQ(symbols.function_at(0xffffffff810003ff), "out_of_order");
  EXPECT_EQ(symbols.function_at(0xffffffff81000400), "weak_one");
  EXPECT_EQ(symbols.function_at(0xffffffffc0000123), "nft_do_chain");
}

TEST(KernelSymbols, WhatTheKernelHidesIsNotKnown) {
  EXPECT_FALSE(KernelSymbols::parse("").function_at(0xffffffff81000000));
  EXPECT_FALSE(KernelSymbols::parse("0000000000000000 T _stext\n0000000000000000 T ip_rcv\n")
                   .function_at(0xffffffff81000000));
  EXPECT_FALSE(KernelSymbols::parse(kText).function_at(0x1000));
  EXPECT_FALSE(KernelSymbols::parse("garbage\nffff\nffff T\n").function_at(~0ULL));
}

TEST(KernelSymbols, ANameIsTheSourcesOwn) {
  EXPECT_EQ(bare_function("ip_rcv_core.constprop.0+0x2c/0x80"), "ip_rcv_core");
  EXPECT_EQ(bare_function("tun_net_xmit+0x1c/0x20"), "tun_net_xmit");
  EXPECT_EQ(bare_function("nft_do_chain"), "nft_do_chain");
}

}  // namespace
}  // namespace pollmark
