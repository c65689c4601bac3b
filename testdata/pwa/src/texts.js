// The texts of the application besides English, and the day's departures.
export const texts = {
  ko: {
    orders: "배송", fleet: "차량", due: "오늘 예정", dueNote: "오전 6건", road: "운행 중", roadNote: "2건 지연", done: "배송 완료",
    doneNote: "정시율 98.4%", newDelivery: "새 배송", recipient: "수령인", date: "배송일", pallets: "팔레트", note: "기사 메모",
    save: "배송 저장", next: "다음 출발", route: "노선", driver: "기사", leaves: "출발", state: "상태", late: "지연", loading: "상차 중",
    saved: "저장했습니다",
  },
};

export const departures = [
  ["Busan – Daegu", "Kim Minseo", "13:20", false],
  ["Busan – Ulsan", "Lee Jiho", "13:45", false],
  ["Gimhae – Pohang", "Park Seoyeon", "14:05", true],
  ["Changwon – Jinju", "Choi Eunwoo", "14:30", false],
  ["Busan – Geoje", "Jung Haeun", "15:10", false],
];
