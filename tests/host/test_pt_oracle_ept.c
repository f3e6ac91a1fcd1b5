/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine against a plain reference, in the ept format. */
#include "tests/host/pt_oracle.h"

int main(void)
{
    return pt_oracle_main(&pt_ept);
}
