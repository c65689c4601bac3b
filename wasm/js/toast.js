// The "Update available" toast: a custom element with its own style, so that no page style reaches in.
//
// It follows the ARIA Authoring Practices for status messages: the text stands in a live region (`role="status"`) and
// the toast never takes the focus away from what its user is typing. Tab reaches its buttons, Enter presses them,
// Escape puts the update off. Every color, space and font is a CSS custom property (docs/wasm.md).

const TEXTS = {
  en: {
    ready: ["Update available", "A new version is ready."],
    ordered: ["Important update", "This page refreshes by itself shortly."],
    applying: ["Updating…", "One moment, please."],
    failed: ["The update did not work", "You can go on working and try again at any time."],
    kept: "What you have typed is kept.",
    region: "Application update",
    update: "Update",
    now: "Update now",
    again: "Try again",
    later: "Later",
  },
  ko: {
    ready: ["업데이트가 있습니다", "새 버전이 준비되었습니다."],
    ordered: ["중요 업데이트", "잠시 후 페이지가 자동으로 새로고침됩니다."],
    applying: ["업데이트하는 중…", "잠시만 기다려 주세요."],
    failed: ["업데이트하지 못했습니다", "계속 작업하시고 언제든지 다시 시도할 수 있습니다."],
    kept: "입력한 내용은 그대로 유지됩니다.",
    region: "앱 업데이트",
    update: "업데이트",
    now: "지금 업데이트",
    again: "다시 시도",
    later: "나중에",
  },
};

const STYLE = `
:host{all:initial;position:fixed;z-index:var(--slipway-toast-layer,2147483000);display:block;
inset:var(--slipway-toast-inset,auto max(20px,env(safe-area-inset-right)) max(20px,env(safe-area-inset-bottom)) auto);
width:var(--slipway-toast-width,min(376px,calc(100vw - 32px)))}
:host([hidden]){display:none}
*{box-sizing:border-box}
section{display:grid;grid-template-columns:auto 1fr;gap:4px 14px;padding:18px 18px 16px;
font:var(--slipway-toast-font,400 14px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK KR",sans-serif);
color:var(--slipway-toast-color,#1b2330);background:var(--slipway-toast-background,#fff);
border:1px solid var(--slipway-toast-border,#d5dbe4);border-radius:var(--slipway-toast-radius,14px);
box-shadow:var(--slipway-toast-shadow,0 1px 2px rgb(16 24 40/.08),0 12px 32px rgb(16 24 40/.18));
animation:rise .24s cubic-bezier(.2,.8,.3,1)}
svg{width:36px;height:36px;padding:8px;border-radius:10px;color:var(--slipway-toast-accent,#1550c0);
background:var(--slipway-toast-tint,#e8f0fe);grid-row:span 2}
.failed svg{color:var(--slipway-toast-alert,#9a4a00);background:var(--slipway-toast-alert-tint,#fdecd9)}
.busy svg{animation:turn 1.1s linear infinite}
h2{margin:0;font:inherit;font-weight:650;font-size:15px}
p{margin:2px 0 0;color:var(--slipway-toast-muted,#4a5568);word-break:keep-all;overflow-wrap:anywhere}
.actions{grid-column:2;display:flex;gap:8px;margin-top:10px}
.actions:empty{display:none}
button{font:inherit;font-weight:600;min-height:36px;padding:0 16px;border-radius:9px;border:1px solid transparent;cursor:pointer;
background:none;color:var(--slipway-toast-muted,#4a5568)}
button:hover{background:var(--slipway-toast-hover,#eef1f5)}
button.main{background:var(--slipway-toast-accent,#1550c0);color:var(--slipway-toast-on-accent,#fff)}
button.main:hover{filter:brightness(1.1)}
button:focus-visible{outline:3px solid var(--slipway-toast-focus,#1550c0);outline-offset:2px}
@keyframes rise{from{opacity:0;transform:translateY(14px)}}
@keyframes turn{to{transform:rotate(1turn)}}
@media (max-width:480px){:host{inset:var(--slipway-toast-inset,auto 16px max(16px,env(safe-area-inset-bottom)) 16px);width:auto}
.actions{grid-column:1/-1}button{flex:1;min-height:44px}}
@media (prefers-color-scheme:dark){:host([dark]) section{color:var(--slipway-toast-color,#eef2f8);background:var(--slipway-toast-background,#1c2430);
border-color:var(--slipway-toast-border,#364254)}:host([dark]) :is(p,button){color:var(--slipway-toast-muted,#b6c2d2)}
:host([dark]) svg{color:var(--slipway-toast-accent,#8db4ff);background:var(--slipway-toast-tint,#26354d)}
:host([dark]) .failed svg{color:var(--slipway-toast-alert,#ffb877);background:var(--slipway-toast-alert-tint,#4a3418)}
:host([dark]) button:hover{background:var(--slipway-toast-hover,#2a3546)}
:host([dark]) button.main{background:var(--slipway-toast-accent,#8db4ff);color:var(--slipway-toast-on-accent,#0d1a33)}
:host([dark]) button:focus-visible{outline-color:var(--slipway-toast-focus,#8db4ff)}}
@media (prefers-reduced-motion:reduce){section,.busy svg{animation:none}}
@media (forced-colors:active){section,button{border-color:CanvasText}}`;

const ICON =
  '<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" ' +
  'stroke-linejoin="round" aria-hidden="true"><path d="M17 10a7 7 0 1 1-2.05-4.95L17 7.1M17 3v4.1h-4.1"/></svg>';

let host;
let shown = "";

/** Shows the toast of this name, or hides it for an empty name; `update` and `later` are its two buttons. */
export function showToast(name, options, update, later) {
  if (options?.toast === false || name === shown) return;
  shown = name;
  if (!name) {
    if (host) host.hidden = true;
    return;
  }
  host ??= create();
  host.hidden = false;
  const language = options?.language ?? (document.documentElement.lang || navigator.language);
  const known = /^ko\b/i.test(language) ? "ko" : "en";
  const texts = { ...TEXTS[known], ...options?.texts };
  // Only an application that saves its user's input may promise that it is kept.
  const [title, sentence] = texts[name];
  const promises = (name === "ready" || name === "ordered") && typeof options?.onBeforeReload === "function";
  fill([title, promises ? `${sentence} ${texts.kept}` : sentence], texts, known, name, update, later);
}

function create() {
  const element = document.createElement("slipway-toast");
  element.attachShadow({ mode: "open" }).innerHTML =
    `<style>${STYLE}</style><section role="group">${ICON}<div role="status"><h2></h2><p></p></div>` +
    '<div class="actions"></div></section>';
  document.body.append(element);
  return element;
}

function fill([title, sentence], texts, language, name, update, later) {
  const find = (selector) => host.shadowRoot.querySelector(selector);
  const section = find("section");
  const hadFocus = host.shadowRoot.activeElement;
  host.lang = language;
  // Dark only where the page itself is: a dark toast on a light page would look like somebody else's.
  host.toggleAttribute("dark", getComputedStyle(document.documentElement).colorScheme.includes("dark"));
  host.dataset.toast = name;
  section.className = name === "applying" ? "busy" : name;
  section.setAttribute("aria-label", texts.region);
  section.onkeydown = (event) => {
    if (event.key === "Escape" && name !== "applying") later();
  };
  const buttons = {
    ready: [[texts.update, update], [texts.later, later]],
    ordered: [[texts.now, update]],
    failed: [[texts.again, update], [texts.later, later]],
    applying: [],
  }[name];
  find(".actions").replaceChildren(...buttons.map(([text, press], place) => button(text, press, place === 0)));
  if (hadFocus) find("button")?.focus();
  // A live region is announced when its text changes after it has been shown.
  requestAnimationFrame(() => {
    find("h2").textContent = title;
    find("p").textContent = sentence;
  });
}

function button(text, press, isMain) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  element.className = isMain ? "main" : "";
  element.onclick = () => press();
  return element;
}
