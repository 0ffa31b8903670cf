# SPDX-License-Identifier: Apache-2.0
"""Tomcats from the system's package, as members: one Java process, several nodes.

What it is: each node is a <Service> of its own, with an HTTP and an AJP connector, an <Engine>
(with a jvmRoute, or without) and an application /app whose page counts the visits of a session
in X-Count and names its node in X-Backend.  The nodes share nothing but the process.
What it is not: quick: the Java machine takes about two seconds, so start it once per test.
"""

from __future__ import annotations

import glob
import os
import shutil
from typing import Any, Sequence

from .program import Program

HOME = next(iter(sorted(glob.glob("/usr/share/tomcat*/bin/bootstrap.jar"), reverse=True)), None)
JAVA = shutil.which("java")
MISSING = None if HOME and JAVA else "no Tomcat (Debian: tomcat10-common) or no Java"

PAGE = """<%@ page session="true" contentType="text/plain" %><%
Integer n = (Integer) session.getAttribute("n");
n = n == null ? 1 : n + 1;
session.setAttribute("n", n);
response.setHeader("X-Backend", application.getInitParameter("node"));
response.setHeader("X-Count", n.toString());
if (request.getParameter("logout") != null) session.invalidate();
String s = request.getParameter("sleep");
if (s != null) Thread.sleep(Long.parseLong(s));
%><%= request.getMethod() %> <%= request.getScheme() %> <%= request.getServerName() %>
"""

WEB_XML = """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
  <context-param><param-name>node</param-name><param-value>{node}</param-value></context-param>
  <servlet>
    <servlet-name>jsp</servlet-name>
    <servlet-class>org.apache.jasper.servlet.JspServlet</servlet-class>
    <init-param><param-name>development</param-name><param-value>false</param-value></init-param>
    <load-on-startup>1</load-on-startup>
  </servlet>
  <servlet-mapping><servlet-name>jsp</servlet-name><url-pattern>*.jsp</url-pattern></servlet-mapping>
  <servlet-mapping><servlet-name>jsp</servlet-name><url-pattern>/count</url-pattern></servlet-mapping>
</web-app>
"""

SERVICE = """  <Service name="{node}">
    <Connector address="127.0.0.1" port="{http}" protocol="HTTP/1.1" maxThreads="20"
               minSpareThreads="2" bindOnInit="false"/>
    <Connector address="127.0.0.1" port="{ajp}" protocol="AJP/1.3" secret="{secret}"
               maxThreads="20" minSpareThreads="2"/>
    <Engine name="{node}" defaultHost="localhost"{route}>
      <Host name="localhost" appBase="{node}" autoDeploy="false" startStopThreads="1"/>
    </Engine>
  </Service>
"""


class Tomcats:
    """`with Tomcats(lab, ["t1", "t2"]) as tomcats:` -> tomcats.http["t1"], tomcats.ajp["t1"]: ports.
    The page: /app/index.jsp."""

    def __init__(self, lab: Any, nodes: Sequence[str], routes: bool = True,
                 secret: str = "change-me") -> None:
        self.http = {node: lab.port() for node in nodes}
        self.ajp = {node: lab.port() for node in nodes}
        base = lab.dir / "tomcat"
        for name in ("conf", "temp", "work", "logs"):
            (base / name).mkdir(parents=True)
        services = ""
        for node in nodes:
            app = base / node / "app"
            (app / "WEB-INF").mkdir(parents=True)
            (app / "index.jsp").write_text(PAGE)
            (app / "WEB-INF" / "web.xml").write_text(WEB_XML.format(node=node))
            services += SERVICE.format(
                node=node, http=self.http[node], ajp=self.ajp[node], secret=secret,
                route=f' jvmRoute="{node}"' if routes else "")
        (base / "conf" / "server.xml").write_text(f'<Server port="-1">\n{services}</Server>\n')
        (base / "conf" / "web.xml").write_text(
            '<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0"></web-app>\n')
        home = os.path.dirname(os.path.dirname(HOME))
        self._program = Program(
            "tomcat", lab.dir,
            [JAVA, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-Xshare:auto",
             "-Djava.security.egd=file:/dev/urandom", f"-Dcatalina.home={home}",
             f"-Dcatalina.base={base}", f"-Djava.io.tmpdir={base}/temp", "-classpath",
             f"{home}/bin/bootstrap.jar:{home}/bin/tomcat-juli.jar",
             "org.apache.catalina.startup.Bootstrap", "start"],
            [*self.http.values(), *self.ajp.values()], cwd=base)

    def __enter__(self) -> "Tomcats":
        self._program.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._program.close()

    def said(self) -> str:
        return self._program.said()
