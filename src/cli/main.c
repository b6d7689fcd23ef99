#include <stdio.h>

int main(void)
{
    puts("scatterloop " SL_VERSION);
    return 0;
}
