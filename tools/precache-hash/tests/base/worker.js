precacheAndRoute(self.__WB_MANIFEST);
